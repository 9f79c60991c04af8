package main

import (
	"context"
	"errors"
	"fmt"
	"net/url"
	"strings"

	"github.com/bgremover/bgremover/adapters/web/operator"
	"github.com/bgremover/bgremover/internal/config"
)

// officerCmd is `bgremover officer`.
type officerCmd struct {
	Link officerLinkCmd `cmd:"" help:"Print a link that opens a 12-hour session for a named person, once, within 15 minutes."`
	End  officerEndCmd  `cmd:"" help:"End a person's sessions and take back their links, at once."`
}

// officerLinkCmd is `bgremover officer link`. It asks the running service by the socket in its data folder.
type officerLinkCmd struct {
	Name string `required:"" placeholder:"NAME" help:"Who it is for, by the name that colleagues know them by; facts will record, sealed, that this person acted."`
	Role string `required:"" enum:"officer,responder,dpo" placeholder:"ROLE" help:"What they do: officer looks after compliance, responder handles incidents, dpo is the data protection officer."`
	URL  string `name:"url" placeholder:"URL" help:"Where people reach the service, such as https://bgremover.example.org; without it, the address that the service listens on."`
	config.Folder
}

func (c *officerLinkCmd) run(ctx context.Context, std streams) error {
	site, err := siteOf(c.URL)
	if err != nil {
		return err
	}
	var link operator.OfficerLink
	if err := orderService(ctx, c.Data, "/officer/link", operator.Person{Name: c.Name, Role: c.Role, Site: site}, &link); err != nil {
		return err
	}
	if _, err := fmt.Fprintln(std.out, link.Link); err != nil {
		return err
	}
	note := "It opens one session, for whoever has it, until " + link.Until.UTC().Format("15:04:05 UTC") + ". Give it to nobody else.\n"
	if inClear(link.Link) {
		note += "It goes over plain HTTP: whoever listens on the way has the session, too. Serve people by HTTPS (--tls-cert, or --behind-tls-proxy).\n"
	}
	_, err = fmt.Fprint(std.err, note)
	return err
}

// inClear says whether somebody on the way to an address can read what is sent.
func inClear(address string) bool {
	u, err := url.Parse(address)
	return err == nil && u.Scheme == "http" && !config.LoopbackHost(u.Hostname())
}

// siteOf checks the address of a site and returns it without a slash at its end.
func siteOf(address string) (string, error) {
	if address == "" {
		return "", nil
	}
	u, err := url.Parse(address)
	if err != nil || u.Scheme != "http" && u.Scheme != "https" || u.Host == "" || strings.Trim(u.Path, "/") != "" || u.RawQuery != "" || u.Fragment != "" || u.User != nil {
		return "", errors.New("--url wants the address of a site, such as https://bgremover.example.org")
	}
	return u.Scheme + "://" + u.Host, nil
}

// officerEndCmd is `bgremover officer end`.
type officerEndCmd struct {
	Name string `required:"" placeholder:"NAME" help:"Whose sessions end, written as in officer link."`
	config.Folder
}

func (c *officerEndCmd) run(ctx context.Context, std streams) error {
	var ended operator.OfficerEnded
	if err := orderService(ctx, c.Data, "/officer/end", operator.Person{Name: c.Name}, &ended); err != nil {
		return err
	}
	_, err := fmt.Fprintf(std.out, "ended %s, took back %s\n", counted(ended.Sessions, "session"), counted(ended.Links, "link"))
	return err
}

func counted(n int64, noun string) string {
	if n == 1 {
		return "1 " + noun
	}
	return fmt.Sprintf("%d %ss", n, noun)
}

// orderService has the running service do something, and reads its answer.
func orderService(ctx context.Context, data, path string, request, answer any) error {
	body, err := tellService(ctx, data, path, request)
	if err != nil {
		return err
	}
	return readAnswer(body, answer)
}
