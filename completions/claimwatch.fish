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
complete -c claimwatch -n "__fish_claimwatch_needs_command" -f -a "accept" -d 'Say that what went missing from a suspect scope is gone'
complete -c claimwatch -n "__fish_claimwatch_needs_command" -f -a "status" -d 'Show how the running daemon is: quotas, troubles, and how late looks are'
complete -c claimwatch -n "__fish_claimwatch_needs_command" -f -a "deliveries" -d 'Show what waits for each sink, and a sink\'s deliveries; works while no daemon runs, too'
complete -c claimwatch -n "__fish_claimwatch_needs_command" -f -a "requeue" -d 'Have the running daemon send events to a webhook again: those that it refused, one, or all since a time'
complete -c claimwatch -n "__fish_claimwatch_needs_command" -f -a "reload" -d 'Have the running daemon read the watch lists again; prints what changed, or why nothing did'
complete -c claimwatch -n "__fish_claimwatch_needs_command" -f -a "plan" -d 'Show what a reload would change; exit 0 if nothing, 2 if something. Works while no daemon runs, too'
complete -c claimwatch -n "__fish_claimwatch_needs_command" -f -a "check" -d 'Check the configuration and the watch lists; exit 0 or 78'
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
complete -c claimwatch -n "__fish_claimwatch_using_subcommand accept" -l config -d 'The main configuration file' -r -F
complete -c claimwatch -n "__fish_claimwatch_using_subcommand accept" -s h -l help -d 'Print help'
complete -c claimwatch -n "__fish_claimwatch_using_subcommand status" -l config -d 'The main configuration file' -r -F
complete -c claimwatch -n "__fish_claimwatch_using_subcommand status" -l json -d 'Print what GET /api/v1/scopes answers'
complete -c claimwatch -n "__fish_claimwatch_using_subcommand status" -s h -l help -d 'Print help'
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
complete -c claimwatch -n "__fish_claimwatch_using_subcommand completions" -s h -l help -d 'Print help'
complete -c claimwatch -n "__fish_claimwatch_using_subcommand help; and not __fish_seen_subcommand_from run demo simulate accept status deliveries requeue reload plan check completions help" -f -a "run" -d 'Watch, until stopped'
complete -c claimwatch -n "__fish_claimwatch_using_subcommand help; and not __fish_seen_subcommand_from run demo simulate accept status deliveries requeue reload plan check completions help" -f -a "demo" -d 'See the whole story in about seventeen seconds: a simulated AWS and the real daemon, no account needed'
complete -c claimwatch -n "__fish_claimwatch_using_subcommand help; and not __fish_seen_subcommand_from run demo simulate accept status deliveries requeue reload plan check completions help" -f -a "simulate" -d 'Serve the simulated AWS alone'
complete -c claimwatch -n "__fish_claimwatch_using_subcommand help; and not __fish_seen_subcommand_from run demo simulate accept status deliveries requeue reload plan check completions help" -f -a "accept" -d 'Say that what went missing from a suspect scope is gone'
complete -c claimwatch -n "__fish_claimwatch_using_subcommand help; and not __fish_seen_subcommand_from run demo simulate accept status deliveries requeue reload plan check completions help" -f -a "status" -d 'Show how the running daemon is: quotas, troubles, and how late looks are'
complete -c claimwatch -n "__fish_claimwatch_using_subcommand help; and not __fish_seen_subcommand_from run demo simulate accept status deliveries requeue reload plan check completions help" -f -a "deliveries" -d 'Show what waits for each sink, and a sink\'s deliveries; works while no daemon runs, too'
complete -c claimwatch -n "__fish_claimwatch_using_subcommand help; and not __fish_seen_subcommand_from run demo simulate accept status deliveries requeue reload plan check completions help" -f -a "requeue" -d 'Have the running daemon send events to a webhook again: those that it refused, one, or all since a time'
complete -c claimwatch -n "__fish_claimwatch_using_subcommand help; and not __fish_seen_subcommand_from run demo simulate accept status deliveries requeue reload plan check completions help" -f -a "reload" -d 'Have the running daemon read the watch lists again; prints what changed, or why nothing did'
complete -c claimwatch -n "__fish_claimwatch_using_subcommand help; and not __fish_seen_subcommand_from run demo simulate accept status deliveries requeue reload plan check completions help" -f -a "plan" -d 'Show what a reload would change; exit 0 if nothing, 2 if something. Works while no daemon runs, too'
complete -c claimwatch -n "__fish_claimwatch_using_subcommand help; and not __fish_seen_subcommand_from run demo simulate accept status deliveries requeue reload plan check completions help" -f -a "check" -d 'Check the configuration and the watch lists; exit 0 or 78'
complete -c claimwatch -n "__fish_claimwatch_using_subcommand help; and not __fish_seen_subcommand_from run demo simulate accept status deliveries requeue reload plan check completions help" -f -a "completions" -d 'Print a shell\'s completions for these commands'
complete -c claimwatch -n "__fish_claimwatch_using_subcommand help; and not __fish_seen_subcommand_from run demo simulate accept status deliveries requeue reload plan check completions help" -f -a "help" -d 'Print this message or the help of the given subcommand(s)'
