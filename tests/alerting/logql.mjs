// Says where Grafana's own grammar of LogQL does not read a query. Standard input is JSON: [[name, query], …].
import { readFileSync } from "node:fs";
import { parser } from "@grafana/lezer-logql";

let bad = 0;
for (const [name, query] of JSON.parse(readFileSync(0, "utf8"))) {
  parser.parse(query).iterate({
    enter(node) {
      if (node.type.isError) {
        bad += 1;
        console.log(`${name}: not read at "${query.slice(node.from, node.from + 30)}"`);
      }
    },
  });
}
process.exit(bad ? 1 : 0);
