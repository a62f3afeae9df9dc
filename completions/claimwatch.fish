# Print an optspec for argparse to handle cmd's options that are independent of any subcommand.
function __fish_claimwatch_global_optspecs
    string join \n h/help V/version
end

function __fish_claimwatch_needs_command
    # Figure out if the current invocation already has a command.
    set -l cmd (commandline -opc)
    set -e cmd[1]
    argparse -s (__fish_claimwatch_global_optspecs) -- $cmd 2>/dev/null
    or return
    if set -q argv[1]
        # Also print the command, so this can be used to figure out what it is.
        echo $argv[1]
        return 1
    end
    return 0
end

function __fish_claimwatch_using_subcommand
    set -l cmd (__fish_claimwatch_needs_command)
    test -z "$cmd"
    and return 1
    contains -- $cmd[1] $argv
end

complete -c claimwatch -n "__fish_claimwatch_needs_command" -s h -l help -d 'Print help'
complete -c claimwatch -n "__fish_claimwatch_needs_command" -s V -l version -d 'Print version'
complete -c claimwatch -n "__fish_claimwatch_needs_command" -f -a "run" -d 'Watch, until stopped'
complete -c claimwatch -n "__fish_claimwatch_needs_command" -f -a "demo" -d 'See the whole story in about seventeen seconds: a simulated AWS and the real daemon, no account needed'
complete -c claimwatch -n "__fish_claimwatch_needs_command" -f -a "simulate" -d 'Serve the simulated AWS alone'
complete -c claimwatch -n "__fish_claimwatch_needs_command" -f -a "status" -d 'Show how everything is: open retry windows first, then scopes, sinks and the last changes'
complete -c claimwatch -n "__fish_claimwatch_needs_command" -f -a "orders" -d 'Show the tracked orders, those that want somebody first'
complete -c claimwatch -n "__fish_claimwatch_needs_command" -f -a "show" -d 'Show one order: its window, its history, and why it is looked at when'
complete -c claimwatch -n "__fish_claimwatch_needs_command" -f -a "events" -d 'Show what was said, and with --follow what is being said'
complete -c claimwatch -n "__fish_claimwatch_needs_command" -f -a "watch" -d 'Show how orders stand, and a line for each change'
complete -c claimwatch -n "__fish_claimwatch_needs_command" -f -a "wait" -d 'Wait until an order is claimed, or has ended; exit 0 if so, 1 if it failed, 124 if it took too long'
complete -c claimwatch -n "__fish_claimwatch_needs_command" -f -a "track" -d 'Watch an order: put it into watch.d/local.toml, check, and have the daemon read its lists again'
complete -c claimwatch -n "__fish_claimwatch_needs_command" -f -a "untrack" -d 'Watch an order no more: take it out of watch.d/local.toml'
complete -c claimwatch -n "__fish_claimwatch_needs_command" -f -a "ack" -d 'Say that an order\'s open retry window is known of: no more warnings come before its end'
complete -c claimwatch -n "__fish_claimwatch_needs_command" -f -a "accept" -d 'Say that what went missing from a suspect scope is gone'
complete -c claimwatch -n "__fish_claimwatch_needs_command" -f -a "deliveries" -d 'Show what waits for each sink, and a sink\'s deliveries; works while no daemon runs, too'
complete -c claimwatch -n "__fish_claimwatch_needs_command" -f -a "requeue" -d 'Have the running daemon send events to a webhook again: those that it refused, one, or all since a time'
complete -c claimwatch -n "__fish_claimwatch_needs_command" -f -a "reload" -d 'Have the running daemon read the watch lists again; prints what changed, or why nothing did'
complete -c claimwatch -n "__fish_claimwatch_needs_command" -f -a "plan" -d 'Show what a reload would change; exit 0 if nothing, 2 if something. Works while no daemon runs, too'
complete -c claimwatch -n "__fish_claimwatch_needs_command" -f -a "check" -d 'Check the configuration and the watch lists; exit 0 or 78'
complete -c claimwatch -n "__fish_claimwatch_needs_command" -f -a "config" -d 'Show the configuration that is in force after a start'
complete -c claimwatch -n "__fish_claimwatch_needs_command" -f -a "completions" -d 'Print a shell\'s completions for these commands'
complete -c claimwatch -n "__fish_claimwatch_needs_command" -f -a "help" -d 'Print this message or the help of the given subcommand(s)'
complete -c claimwatch -n "__fish_claimwatch_using_subcommand run" -l config -d 'The main configuration file' -r -F
complete -c claimwatch -n "__fish_claimwatch_using_subcommand run" -l deadline -d 'With --once: end after this long at the latest, and a second more to deliver' -r
complete -c claimwatch -n "__fish_claimwatch_using_subcommand run" -l once -d 'Look once at every order that is due, deliver what there is to say, and end; exit 69 if a look had no answer'
complete -c claimwatch -n "__fish_claimwatch_using_subcommand run" -l accept-removal -d 'Go on although the watch lists drop more than half of the orders'
complete -c claimwatch -n "__fish_claimwatch_using_subcommand run" -s h -l help -d 'Print help'
complete -c claimwatch -n "__fish_claimwatch_using_subcommand demo" -s h -l help -d 'Print help'
complete -c claimwatch -n "__fish_claimwatch_using_subcommand simulate" -l listen -d 'The address; port 0 takes a free one, which is printed' -r
complete -c claimwatch -n "__fish_claimwatch_using_subcommand simulate" -l scenario -d 'A scenario file; without it, a world with every story worth seeing' -r -F
complete -c claimwatch -n "__fish_claimwatch_using_subcommand simulate" -s h -l help -d 'Print help'
complete -c claimwatch -n "__fish_claimwatch_using_subcommand status" -l config -d 'The main configuration file' -r -F
complete -c claimwatch -n "__fish_claimwatch_using_subcommand status" -l json -d 'Print what GET /api/v1/status answers'
complete -c claimwatch -n "__fish_claimwatch_using_subcommand status" -s h -l help -d 'Print help'
complete -c claimwatch -n "__fish_claimwatch_using_subcommand orders" -l config -d 'The main configuration file' -r -F
complete -c claimwatch -n "__fish_claimwatch_using_subcommand orders" -l list -d 'Only those of this watch list' -r
complete -c claimwatch -n "__fish_claimwatch_using_subcommand orders" -l status -d 'Only those that stand so: FAILED, CLAIMED, Partial, …; any case' -r
complete -c claimwatch -n "__fish_claimwatch_using_subcommand orders" -l scope -d 'Only those of a service, or of a service and an account: connect, chime/prod-eu' -r
complete -c claimwatch -n "__fish_claimwatch_using_subcommand orders" -l label -d 'Only those whose list has this label: team=voice' -r
complete -c claimwatch -n "__fish_claimwatch_using_subcommand orders" -l urgency -d 'Only those that want somebody so much' -r -f -a "window\t''
attention\t''
failed\t''
pending\t''
done\t''"
complete -c claimwatch -n "__fish_claimwatch_using_subcommand orders" -l after -d 'The next page: what the page before said' -r
complete -c claimwatch -n "__fish_claimwatch_using_subcommand orders" -l limit -d 'At most so many' -r
complete -c claimwatch -n "__fish_claimwatch_using_subcommand orders" -l wide -d 'Add the list, the label and the next look; wider than 80 columns'
complete -c claimwatch -n "__fish_claimwatch_using_subcommand orders" -l json -d 'Print what GET /api/v1/orders answers'
complete -c claimwatch -n "__fish_claimwatch_using_subcommand orders" -s h -l help -d 'Print help'
complete -c claimwatch -n "__fish_claimwatch_using_subcommand show" -l config -d 'The main configuration file' -r -F
complete -c claimwatch -n "__fish_claimwatch_using_subcommand show" -l json -d 'Print what GET /api/v1/orders/ID answers'
complete -c claimwatch -n "__fish_claimwatch_using_subcommand show" -s h -l help -d 'Print help'
complete -c claimwatch -n "__fish_claimwatch_using_subcommand events" -l config -d 'The main configuration file' -r -F
complete -c claimwatch -n "__fish_claimwatch_using_subcommand events" -l since -d 'From then on: a time (2026-11-20T10:00:00Z), or how long ago (2h, 1d)' -r
complete -c claimwatch -n "__fish_claimwatch_using_subcommand events" -s n -l last -d 'Only the last so many; not with --since' -r
complete -c claimwatch -n "__fish_claimwatch_using_subcommand events" -l event -d 'Only those of this name, or with * for any letters: window.*' -r
complete -c claimwatch -n "__fish_claimwatch_using_subcommand events" -l level -d 'Nothing below this level' -r -f -a "info\t''
warn\t''
error\t''"
complete -c claimwatch -n "__fish_claimwatch_using_subcommand events" -l list -d 'Only those of this watch list' -r
complete -c claimwatch -n "__fish_claimwatch_using_subcommand events" -l order -d 'Only those of this order: its id, the beginning of it, or its number' -r
complete -c claimwatch -n "__fish_claimwatch_using_subcommand events" -s f -l follow -d 'Go on with what comes, until interrupted'
complete -c claimwatch -n "__fish_claimwatch_using_subcommand events" -l json -d 'Print the records, one a line'
complete -c claimwatch -n "__fish_claimwatch_using_subcommand events" -s h -l help -d 'Print help'
complete -c claimwatch -n "__fish_claimwatch_using_subcommand watch" -l config -d 'The main configuration file' -r -F
complete -c claimwatch -n "__fish_claimwatch_using_subcommand watch" -l exit-status -d 'End when all of them have ended: 0 if all went well, 1 if one did not'
complete -c claimwatch -n "__fish_claimwatch_using_subcommand watch" -l json -d 'Print the records of changes, one a line, and nothing else'
complete -c claimwatch -n "__fish_claimwatch_using_subcommand watch" -s h -l help -d 'Print help'
complete -c claimwatch -n "__fish_claimwatch_using_subcommand wait" -l config -d 'The main configuration file' -r -F
complete -c claimwatch -n "__fish_claimwatch_using_subcommand wait" -l for -d 'What for: that the number is claimed (a Chime order: Successful), or that it has ended, however that was. FAILED is an end, though its retry window is open: after a retry, see first that it goes on, by `claimwatch watch`' -r -f -a "claimed\t''
terminal\t''"
complete -c claimwatch -n "__fish_claimwatch_using_subcommand wait" -l timeout -d 'For how long at most, as in 10m; exit 124 after it' -r
complete -c claimwatch -n "__fish_claimwatch_using_subcommand wait" -l json -d 'Print the order as JSON at the end'
complete -c claimwatch -n "__fish_claimwatch_using_subcommand wait" -s h -l help -d 'Print help'
complete -c claimwatch -n "__fish_claimwatch_using_subcommand track" -l config -d 'The main configuration file' -r -F
complete -c claimwatch -n "__fish_claimwatch_using_subcommand track" -l kind -d 'What a bare id is: an order of Chime, or a number of Connect' -r -f -a "order\t''
number\t''"
complete -c claimwatch -n "__fish_claimwatch_using_subcommand track" -l account -d 'The account, where the configuration has several' -r
complete -c claimwatch -n "__fish_claimwatch_using_subcommand track" -l number -d 'The number, as in +442079460103' -r
complete -c claimwatch -n "__fish_claimwatch_using_subcommand track" -l operation -d 'What was asked for last: a claim, or an update' -r -f -a "claim\t''
update\t''"
complete -c claimwatch -n "__fish_claimwatch_using_subcommand track" -l requested-at -d 'When that was, as in 2026-11-20T10:00:00Z: a claim\'s retry window is counted from it' -r
complete -c claimwatch -n "__fish_claimwatch_using_subcommand track" -l label -d 'A name for people' -r
complete -c claimwatch -n "__fish_claimwatch_using_subcommand track" -l list -d 'The list to put it into: watch.d/NAME.toml, made if it is not there' -r
complete -c claimwatch -n "__fish_claimwatch_using_subcommand track" -s h -l help -d 'Print help'
complete -c claimwatch -n "__fish_claimwatch_using_subcommand untrack" -l config -d 'The main configuration file' -r -F
complete -c claimwatch -n "__fish_claimwatch_using_subcommand untrack" -l list -d 'The list to take it out of: watch.d/NAME.toml' -r
complete -c claimwatch -n "__fish_claimwatch_using_subcommand untrack" -s h -l help -d 'Print help'
complete -c claimwatch -n "__fish_claimwatch_using_subcommand ack" -l config -d 'The main configuration file' -r -F
complete -c claimwatch -n "__fish_claimwatch_using_subcommand ack" -l json -d 'Print a JSON object'
complete -c claimwatch -n "__fish_claimwatch_using_subcommand ack" -s h -l help -d 'Print help'
complete -c claimwatch -n "__fish_claimwatch_using_subcommand accept" -l config -d 'The main configuration file' -r -F
complete -c claimwatch -n "__fish_claimwatch_using_subcommand accept" -s h -l help -d 'Print help'
complete -c claimwatch -n "__fish_claimwatch_using_subcommand deliveries" -l config -d 'The main configuration file' -r -F
complete -c claimwatch -n "__fish_claimwatch_using_subcommand deliveries" -l state -d 'Where they stand' -r -f -a "pending\t''
dead\t''
delivered\t''"
complete -c claimwatch -n "__fish_claimwatch_using_subcommand deliveries" -l after -d 'Only those after this seq: the next page' -r
complete -c claimwatch -n "__fish_claimwatch_using_subcommand deliveries" -l limit -d 'At most so many' -r
complete -c claimwatch -n "__fish_claimwatch_using_subcommand deliveries" -l json -d 'Print what GET /api/v1/sinks (or SINK/deliveries below it) answers'
complete -c claimwatch -n "__fish_claimwatch_using_subcommand deliveries" -s h -l help -d 'Print help'
complete -c claimwatch -n "__fish_claimwatch_using_subcommand requeue" -l config -d 'The main configuration file' -r -F
complete -c claimwatch -n "__fish_claimwatch_using_subcommand requeue" -l event -d 'Only the event with this id' -r
complete -c claimwatch -n "__fish_claimwatch_using_subcommand requeue" -l seq -d 'Only the event with this seq' -r
complete -c claimwatch -n "__fish_claimwatch_using_subcommand requeue" -l from -d 'Everything that the webhook wants since then, delivered or not, and from before it was added too' -r
complete -c claimwatch -n "__fish_claimwatch_using_subcommand requeue" -l json -d 'Print a JSON object'
complete -c claimwatch -n "__fish_claimwatch_using_subcommand requeue" -s h -l help -d 'Print help'
complete -c claimwatch -n "__fish_claimwatch_using_subcommand reload" -l config -d 'The main configuration file' -r -F
complete -c claimwatch -n "__fish_claimwatch_using_subcommand reload" -l force -d 'Go on although the watch lists drop more than half of the orders'
complete -c claimwatch -n "__fish_claimwatch_using_subcommand reload" -l json -d 'Print a JSON object'
complete -c claimwatch -n "__fish_claimwatch_using_subcommand reload" -s h -l help -d 'Print help'
complete -c claimwatch -n "__fish_claimwatch_using_subcommand plan" -l config -d 'The main configuration file' -r -F
complete -c claimwatch -n "__fish_claimwatch_using_subcommand plan" -l json -d 'Print a JSON object'
complete -c claimwatch -n "__fish_claimwatch_using_subcommand plan" -s h -l help -d 'Print help'
complete -c claimwatch -n "__fish_claimwatch_using_subcommand check" -l config -d 'The main configuration file' -r -F
complete -c claimwatch -n "__fish_claimwatch_using_subcommand check" -s h -l help -d 'Print help'
complete -c claimwatch -n "__fish_claimwatch_using_subcommand config; and not __fish_seen_subcommand_from show help" -s h -l help -d 'Print help'
complete -c claimwatch -n "__fish_claimwatch_using_subcommand config; and not __fish_seen_subcommand_from show help" -f -a "show" -d 'Show every setting that is in force after a start, defaults included'
complete -c claimwatch -n "__fish_claimwatch_using_subcommand config; and not __fish_seen_subcommand_from show help" -f -a "help" -d 'Print this message or the help of the given subcommand(s)'
complete -c claimwatch -n "__fish_claimwatch_using_subcommand config; and __fish_seen_subcommand_from show" -l config -d 'The main configuration file' -r -F
complete -c claimwatch -n "__fish_claimwatch_using_subcommand config; and __fish_seen_subcommand_from show" -l origin -d 'Add where each comes from: the file and line, the variable, or that it is a default'
complete -c claimwatch -n "__fish_claimwatch_using_subcommand config; and __fish_seen_subcommand_from show" -l json -d 'Print a JSON array'
complete -c claimwatch -n "__fish_claimwatch_using_subcommand config; and __fish_seen_subcommand_from show" -s h -l help -d 'Print help'
complete -c claimwatch -n "__fish_claimwatch_using_subcommand config; and __fish_seen_subcommand_from help" -f -a "show" -d 'Show every setting that is in force after a start, defaults included'
complete -c claimwatch -n "__fish_claimwatch_using_subcommand config; and __fish_seen_subcommand_from help" -f -a "help" -d 'Print this message or the help of the given subcommand(s)'
complete -c claimwatch -n "__fish_claimwatch_using_subcommand completions" -s h -l help -d 'Print help'
complete -c claimwatch -n "__fish_claimwatch_using_subcommand help; and not __fish_seen_subcommand_from run demo simulate status orders show events watch wait track untrack ack accept deliveries requeue reload plan check config completions help" -f -a "run" -d 'Watch, until stopped'
complete -c claimwatch -n "__fish_claimwatch_using_subcommand help; and not __fish_seen_subcommand_from run demo simulate status orders show events watch wait track untrack ack accept deliveries requeue reload plan check config completions help" -f -a "demo" -d 'See the whole story in about seventeen seconds: a simulated AWS and the real daemon, no account needed'
complete -c claimwatch -n "__fish_claimwatch_using_subcommand help; and not __fish_seen_subcommand_from run demo simulate status orders show events watch wait track untrack ack accept deliveries requeue reload plan check config completions help" -f -a "simulate" -d 'Serve the simulated AWS alone'
complete -c claimwatch -n "__fish_claimwatch_using_subcommand help; and not __fish_seen_subcommand_from run demo simulate status orders show events watch wait track untrack ack accept deliveries requeue reload plan check config completions help" -f -a "status" -d 'Show how everything is: open retry windows first, then scopes, sinks and the last changes'
complete -c claimwatch -n "__fish_claimwatch_using_subcommand help; and not __fish_seen_subcommand_from run demo simulate status orders show events watch wait track untrack ack accept deliveries requeue reload plan check config completions help" -f -a "orders" -d 'Show the tracked orders, those that want somebody first'
complete -c claimwatch -n "__fish_claimwatch_using_subcommand help; and not __fish_seen_subcommand_from run demo simulate status orders show events watch wait track untrack ack accept deliveries requeue reload plan check config completions help" -f -a "show" -d 'Show one order: its window, its history, and why it is looked at when'
complete -c claimwatch -n "__fish_claimwatch_using_subcommand help; and not __fish_seen_subcommand_from run demo simulate status orders show events watch wait track untrack ack accept deliveries requeue reload plan check config completions help" -f -a "events" -d 'Show what was said, and with --follow what is being said'
complete -c claimwatch -n "__fish_claimwatch_using_subcommand help; and not __fish_seen_subcommand_from run demo simulate status orders show events watch wait track untrack ack accept deliveries requeue reload plan check config completions help" -f -a "watch" -d 'Show how orders stand, and a line for each change'
complete -c claimwatch -n "__fish_claimwatch_using_subcommand help; and not __fish_seen_subcommand_from run demo simulate status orders show events watch wait track untrack ack accept deliveries requeue reload plan check config completions help" -f -a "wait" -d 'Wait until an order is claimed, or has ended; exit 0 if so, 1 if it failed, 124 if it took too long'
complete -c claimwatch -n "__fish_claimwatch_using_subcommand help; and not __fish_seen_subcommand_from run demo simulate status orders show events watch wait track untrack ack accept deliveries requeue reload plan check config completions help" -f -a "track" -d 'Watch an order: put it into watch.d/local.toml, check, and have the daemon read its lists again'
complete -c claimwatch -n "__fish_claimwatch_using_subcommand help; and not __fish_seen_subcommand_from run demo simulate status orders show events watch wait track untrack ack accept deliveries requeue reload plan check config completions help" -f -a "untrack" -d 'Watch an order no more: take it out of watch.d/local.toml'
complete -c claimwatch -n "__fish_claimwatch_using_subcommand help; and not __fish_seen_subcommand_from run demo simulate status orders show events watch wait track untrack ack accept deliveries requeue reload plan check config completions help" -f -a "ack" -d 'Say that an order\'s open retry window is known of: no more warnings come before its end'
complete -c claimwatch -n "__fish_claimwatch_using_subcommand help; and not __fish_seen_subcommand_from run demo simulate status orders show events watch wait track untrack ack accept deliveries requeue reload plan check config completions help" -f -a "accept" -d 'Say that what went missing from a suspect scope is gone'
complete -c claimwatch -n "__fish_claimwatch_using_subcommand help; and not __fish_seen_subcommand_from run demo simulate status orders show events watch wait track untrack ack accept deliveries requeue reload plan check config completions help" -f -a "deliveries" -d 'Show what waits for each sink, and a sink\'s deliveries; works while no daemon runs, too'
complete -c claimwatch -n "__fish_claimwatch_using_subcommand help; and not __fish_seen_subcommand_from run demo simulate status orders show events watch wait track untrack ack accept deliveries requeue reload plan check config completions help" -f -a "requeue" -d 'Have the running daemon send events to a webhook again: those that it refused, one, or all since a time'
complete -c claimwatch -n "__fish_claimwatch_using_subcommand help; and not __fish_seen_subcommand_from run demo simulate status orders show events watch wait track untrack ack accept deliveries requeue reload plan check config completions help" -f -a "reload" -d 'Have the running daemon read the watch lists again; prints what changed, or why nothing did'
complete -c claimwatch -n "__fish_claimwatch_using_subcommand help; and not __fish_seen_subcommand_from run demo simulate status orders show events watch wait track untrack ack accept deliveries requeue reload plan check config completions help" -f -a "plan" -d 'Show what a reload would change; exit 0 if nothing, 2 if something. Works while no daemon runs, too'
complete -c claimwatch -n "__fish_claimwatch_using_subcommand help; and not __fish_seen_subcommand_from run demo simulate status orders show events watch wait track untrack ack accept deliveries requeue reload plan check config completions help" -f -a "check" -d 'Check the configuration and the watch lists; exit 0 or 78'
complete -c claimwatch -n "__fish_claimwatch_using_subcommand help; and not __fish_seen_subcommand_from run demo simulate status orders show events watch wait track untrack ack accept deliveries requeue reload plan check config completions help" -f -a "config" -d 'Show the configuration that is in force after a start'
complete -c claimwatch -n "__fish_claimwatch_using_subcommand help; and not __fish_seen_subcommand_from run demo simulate status orders show events watch wait track untrack ack accept deliveries requeue reload plan check config completions help" -f -a "completions" -d 'Print a shell\'s completions for these commands'
complete -c claimwatch -n "__fish_claimwatch_using_subcommand help; and not __fish_seen_subcommand_from run demo simulate status orders show events watch wait track untrack ack accept deliveries requeue reload plan check config completions help" -f -a "help" -d 'Print this message or the help of the given subcommand(s)'
complete -c claimwatch -n "__fish_claimwatch_using_subcommand help; and __fish_seen_subcommand_from config" -f -a "show" -d 'Show every setting that is in force after a start, defaults included'
