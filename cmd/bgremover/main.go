// Command bgremover is the whole program: the service, and what an operator or a user does
// with it from the command line.
//
// Read it in this order: main.go (the subcommands), serve.go, service.go (everything that
// the service consists of, opened top to bottom), uses.go, run.go (set going, and stopped);
// ground.go and model.go (what it stands on), cutter.go, processor.go, record.go; then
// remove.go, logshow.go, stream.go, officer.go (office.go is its service's side), rebuild.go,
// projections.go. Wiring is explicit: there is no container and nothing registers itself.
package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"os/signal"
	"syscall"

	"github.com/alecthomas/kong"

	"github.com/bgremover/bgremover/internal/config"
	"github.com/bgremover/bgremover/internal/telemetry"
)

// commands are the subcommands, each with its flags.
type commands struct {
	Serve       serveCmd       `cmd:"" help:"Run the service: the pages, the API and everything behind them."`
	Remove      removeCmd      `cmd:"" help:"Remove the background of photos."`
	Log         logCmd         `cmd:"" help:"Look at the record of a running service."`
	Stream      streamCmd      `cmd:"" help:"Look at one thing in the record, as it is or was known."`
	Officer     officerCmd     `cmd:"" help:"Let officers in to the pages of the record, and out."`
	Policy      policyCmd      `cmd:"" help:"Look at the rules that decide, sign, store and propose others."`
	Rebuild     rebuildCmd     `cmd:"" help:"Make views anew from the record, or check that they are what it says."`
	Restore     restoreCmd     `cmd:"" help:"Make an empty database anew from the record in Kafka."`
	Attest      attestCmd      `cmd:"" help:"See which promises that only people can know are signed for."`
	Projections projectionsCmd `cmd:"" help:"Look at the views of a running service, and let a stopped one go on."`
	Retention   retentionCmd   `cmd:"" help:"Look at what waits for its end, and confirm a clock that jumped."`
	Audit       auditCmd       `cmd:"" help:"Compare what is kept with the record now, and run the checks of the live service. Exit code 1: a promise is broken."`
	Vault       vaultCmd       `cmd:"" help:"Look after keys: what wraps them, and their backup."`
	Asyncapi    asyncapiCmd    `cmd:"" help:"Print what stands in which topic: all facts, as an AsyncAPI document."`
	Config      configCmd      `cmd:"" help:"Print the settings that are in force and where each comes from."`
	Version     versionCmd     `cmd:"" help:"Print the version."`
}

// command is what every subcommand does.
type command interface {
	run(ctx context.Context, std streams) error
}

// streams are where a command prints.
type streams struct{ out, err io.Writer }

type configCmd struct{ config.Serve }

func (c *configCmd) run(_ context.Context, std streams) error { return c.Print(std.out) }

type versionCmd struct{}

func (versionCmd) run(_ context.Context, std streams) error {
	_, err := fmt.Fprintln(std.out, telemetry.Version())
	return err
}

func main() {
	// The second signal ends the program at once.
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	context.AfterFunc(ctx, stop)
	os.Exit(run(ctx, os.Args[1:], streams{os.Stdout, os.Stderr}))
}

// understood returns the part of a command line that was understood, of which the help tells.
func understood(err error) string {
	var parsing *kong.ParseError
	if !errors.As(err, &parsing) {
		return "bgremover"
	}
	named := "bgremover"
	for _, step := range parsing.Context.Path {
		if step.Command != nil {
			named += " " + step.Command.Name
		}
	}
	return named
}

// run carries out one command line and returns the exit code: 0, 1 when it failed, 2 when it made no sense.
func run(ctx context.Context, args []string, std streams) int {
	var cmds commands
	parser, err := kong.New(&cmds, append(config.Options(),
		kong.Name("bgremover"),
		kong.Description("Removes backgrounds, forgets the photos, and proves it."),
		kong.Writers(std.out, std.err),
		kong.UsageOnError(),
		kong.ConfigureHelp(kong.HelpOptions{Compact: true, FlagsLast: true}),
	)...)
	if err != nil {
		panic(err) // the structs above are not what kong can read
	}
	if len(args) > 0 && args[0] == "help" { // as people type it; help about a command comes with that command
		args = append(args[1:len(args):len(args)], "--help")
	}
	parsed, err := parser.Parse(args)
	if err != nil {
		fmt.Fprintf(std.err, "bgremover: %s\nWhat there is: %s --help\n", sentence(err), understood(err))
		return 2
	}
	if err := parsed.Selected().Target.Addr().Interface().(command).run(ctx, std); err != nil {
		fmt.Fprintf(std.err, "bgremover: %s\n", sentence(err))
		return 1
	}
	return 0
}
