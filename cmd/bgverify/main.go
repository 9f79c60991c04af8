//go:build !js

package main

import (
	"encoding/json"
	"errors"
	"flag"
	"fmt"
	"io"
	"os"
	"strings"

	"github.com/bgremover/bgremover/internal/evidence"
)

// Exit codes. They are part of the command's promise: scripts rest on them.
const (
	exitHolds   = 0 // everything is proven or attested
	exitRefused = 1 // the receipt does not hold
	exitUsage   = 2 // nothing was checked
	exitOpen    = 3 // it holds as far as it goes; something is open
)

const usage = `usage: bgverify receipt FILE [--key VKEY] [--against CHECKPOINT] [--json]

Checks a deletion receipt offline. FILE may be - for the standard input.

  --key VKEY            one of the log's keys, kept elsewhere: <origin>+<hash>+<key>,
                        as the field "first" of the service's /log/keys
  --against CHECKPOINT  a file with a signed checkpoint of the log, kept elsewhere
  --json                print one JSON object

Exit codes: 0 it holds and nothing is open, 3 it holds and something is open,
1 it does not hold, 2 nothing was checked.
`

func main() { os.Exit(run(os.Args[1:], os.Stdin, os.Stdout, os.Stderr)) }

// order is what the command line asks for.
type order struct {
	file    string
	key     string
	against string
	json    bool
}

func run(args []string, in io.Reader, out, errs io.Writer) int {
	o, err := parse(args)
	if errors.Is(err, flag.ErrHelp) {
		return told(fmt.Fprint(out, usage))
	}
	if err != nil {
		fmt.Fprintf(errs, "bgverify: %v\n%s", err, usage)
		return exitUsage
	}
	receipt, known, err := o.read(in)
	if err != nil {
		fmt.Fprintf(errs, "bgverify: %v\n", err)
		return exitUsage
	}
	r := check(receipt, known)
	if o.json {
		err = json.NewEncoder(out).Encode(r)
	} else {
		_, err = io.WriteString(out, r.text())
	}
	switch {
	case err != nil: // nobody was told
		return exitUsage
	case !r.Holds:
		return exitRefused
	case !r.Complete:
		return exitOpen
	}
	return exitHolds
}

func told(_ int, err error) int {
	if err != nil {
		return exitUsage
	}
	return exitHolds
}

// parse takes flags before and after the file.
func parse(args []string) (o order, err error) {
	if len(args) > 0 && (args[0] == "-h" || args[0] == "--help" || args[0] == "-help" || args[0] == "help") {
		return o, flag.ErrHelp
	}
	if len(args) == 0 || args[0] != "receipt" {
		return o, errors.New("say what to verify: bgverify receipt FILE")
	}
	flags := flag.NewFlagSet("receipt", flag.ContinueOnError)
	flags.SetOutput(io.Discard)
	flags.Usage = func() {}
	flags.StringVar(&o.key, "key", "", "")
	flags.StringVar(&o.against, "against", "", "")
	flags.BoolVar(&o.json, "json", false, "")
	var files []string
	for rest := args[1:]; ; {
		if err := flags.Parse(rest); err != nil {
			return o, err
		}
		if flags.NArg() == 0 {
			break
		}
		files, rest = append(files, flags.Arg(0)), flags.Args()[1:]
	}
	flags.Visit(func(f *flag.Flag) {
		if f.Value.String() == "" { // as of a variable that is not set: nothing would be compared
			err = fmt.Errorf("--%s is empty", f.Name)
		}
	})
	if err != nil {
		return o, err
	}
	if len(files) != 1 {
		return o, fmt.Errorf("one FILE is verified at a time, and there are %d", len(files))
	}
	o.file = files[0]
	return o, nil
}

func (o order) read(in io.Reader) (receipt []byte, known evidence.Known, err error) {
	known.Key = strings.TrimSpace(o.key)
	if o.file == "-" {
		receipt, err = bounded(in)
	} else {
		receipt, err = readFile(o.file)
	}
	if err == nil && o.against != "" {
		known.Against, err = readFile(o.against)
		if err == nil && len(known.Against) == 0 {
			err = fmt.Errorf("the checkpoint %s is empty", o.against)
		}
	}
	return receipt, known, err
}

func readFile(name string) (content []byte, err error) {
	f, err := os.Open(name)
	if err != nil {
		return nil, err
	}
	defer func() { err = errors.Join(err, f.Close()) }()
	return bounded(f)
}

// bounded reads one byte more than anything can have that is checked here.
func bounded(r io.Reader) ([]byte, error) {
	return io.ReadAll(io.LimitReader(r, evidence.MaxSize+1))
}

// text is the report for a person in front of a terminal.
func (r report) text() string {
	var b strings.Builder
	b.WriteString(r.Headline + "\n")
	if r.Help != "" {
		fmt.Fprintf(&b, "%s (%s)\n", r.Help, r.Code)
	}
	for _, f := range r.Findings {
		for i, line := range wrapped(f.Text) {
			label := string(f.Standing)
			if i > 0 {
				label = ""
			}
			fmt.Fprintf(&b, "\n%-10s%s", label, line)
		}
	}
	if len(r.Findings) > 0 {
		b.WriteString("\n")
	}
	return b.String()
}

// wrapped breaks a text into lines for a narrow terminal. Ids and keys stay whole.
func wrapped(text string) (lines []string) {
	const width = 78
	line := ""
	for _, word := range strings.Fields(text) {
		if line != "" && len(line)+1+len(word) > width {
			lines, line = append(lines, line), ""
		}
		if line != "" {
			line += " "
		}
		line += word
	}
	return append(lines, line)
}
