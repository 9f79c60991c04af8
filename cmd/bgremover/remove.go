package main

import (
	"context"
	"crypto/rand"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"time"

	"github.com/schollz/progressbar/v3"
	"golang.org/x/sync/errgroup"

	"github.com/bgremover/bgremover/domain/refusal"
	"github.com/bgremover/bgremover/internal/config"
	"github.com/bgremover/bgremover/internal/telemetry"
)

// removeCmd is `bgremover remove`.
type removeCmd struct {
	In       []string     `arg:"" name:"in" help:"Photos, or folders of photos."`
	Out      string       `short:"o" placeholder:"FILE" help:"Where the cutout goes (one photo only). Default: beside the photo, as NAME.cutout.png."`
	Dir      string       `short:"d" placeholder:"DIR" help:"Folder for the cutouts; the folders below IN are kept."`
	Force    bool         `help:"Replace cutouts, and receipts, that are already there."`
	Server   string       `env:"BGREMOVER_SERVER" placeholder:"URL" help:"A running service to use. Without it the cutout is made in this process."`
	Receipts bool         `help:"Also save the signed receipt of each photo's deletion beside its cutout, as NAME.receipt.txt, and wait for the proofs (with --server)."`
	Model    config.Model `embed:""`
}

// remover makes the cutout of one photo and writes it as PNG. It returns where the receipt of
// the photo's deletion will be; "" if there is none.
type remover interface {
	remove(ctx context.Context, photo io.ReadSeeker, out io.Writer) (receipt string, err error)
	close() error
}

// job is one photo and where its cutout goes.
type job struct{ in, out string }

// readable are the endings of the files that a folder is searched for.
var readable = []string{".jpg", ".jpeg", ".jpe", ".png", ".webp", ".gif"}

// cutoutSuffix marks what we wrote, so that a second run over a folder does not cut out cutouts.
const cutoutSuffix = ".cutout.png"

func (c *removeCmd) run(ctx context.Context, std streams) error {
	if c.Receipts && c.Server == "" {
		return errors.New("--receipts goes with --server: what stays in this process is not deleted by anybody")
	}
	jobs, err := c.jobs()
	if err != nil {
		return err
	}
	r, err := c.remover(ctx)
	if err != nil {
		return err
	}
	err = c.all(ctx, std, r, jobs)
	return errors.Join(err, r.close())
}

func (c *removeCmd) remover(ctx context.Context) (remover, error) {
	if c.Server != "" {
		return newRemoteRemover(c.Server)
	}
	return newLocalRemover(ctx, c.Model)
}

// all works on a few photos at a time and goes on when one fails.
func (c *removeCmd) all(ctx context.Context, std streams, r remover, jobs []job) error {
	const atOnce = 4
	drawn := telemetry.IsTerminal(std.err) && (len(jobs) > 1 || c.Server != "")
	bar := progressbar.NewOptions(len(jobs),
		progressbar.OptionSetWriter(std.err),
		progressbar.OptionSetVisibility(drawn),
		progressbar.OptionSetDescription("cutting out"),
		progressbar.OptionShowCount(),
		progressbar.OptionClearOnFinish(),
	)
	var (
		mu     sync.Mutex
		failed []string
		made   []receipt
	)
	if remote, ok := r.(*remoteRemover); ok {
		remote.waits = func(d time.Duration) {
			said := "cutting out"
			if d > 0 {
				said = fmt.Sprintf("the service asks to wait until %s", time.Now().Add(d).Format(time.TimeOnly))
				if !drawn {
					mu.Lock()
					_, _ = fmt.Fprintln(std.err, said)
					mu.Unlock()
				}
			}
			bar.Describe(said)
		}
	}
	work, working := errgroup.WithContext(ctx)
	work.SetLimit(atOnce)
	for _, j := range jobs {
		work.Go(func() error {
			address, err := c.one(working, r, j)
			mu.Lock()
			defer mu.Unlock()
			if err != nil {
				failed = append(failed, fmt.Sprintf("%s: %s", j.in, sentence(err)))
			} else {
				made = append(made, receipt{address: address, path: j.receipt()})
			}
			_ = bar.Add(1) // a progress bar that cannot be drawn stops nothing
			return working.Err()
		})
	}
	err := work.Wait()
	slices.Sort(failed)
	for _, line := range failed {
		fmt.Fprintln(std.err, line)
	}
	if err == nil && len(failed) > 0 {
		err = fmt.Errorf("%d of %d photos failed", len(failed), len(jobs))
	}
	if remote, ok := r.(*remoteRemover); ok && c.Receipts && len(made) > 0 {
		err = errors.Join(err, saveReceipts(ctx, std, remote, made))
	}
	return err
}

// writes are the files that come of a job.
func (c *removeCmd) writes(j job) []string {
	if c.Receipts {
		return []string{j.out, j.receipt()}
	}
	return []string{j.out}
}

// one makes the cutout of one photo.
func (c *removeCmd) one(ctx context.Context, r remover, j job) (receipt string, err error) {
	if !c.Force {
		for _, path := range c.writes(j) {
			if _, err := os.Stat(path); err == nil {
				return "", fmt.Errorf("%s is already there; --force replaces it", path)
			}
		}
	}
	photo, err := os.Open(j.in)
	if err != nil {
		return "", err
	}
	defer func() { err = errors.Join(err, photo.Close()) }()
	if err := os.MkdirAll(filepath.Dir(j.out), 0o777); err != nil { //nolint:gosec // the user's folder, under the user's umask
		return "", err
	}
	err = replace(j.out, func(out io.Writer) (err error) {
		receipt, err = r.remove(ctx, photo, out)
		return err
	})
	return receipt, err
}

// replace writes a file beside the target first: what is there is whole, or nothing.
func replace(path string, write func(io.Writer) error) (err error) {
	// With the permissions of any file that this user makes.
	unfinished := filepath.Join(filepath.Dir(path), ".bgremover-"+rand.Text())
	out, err := os.OpenFile(unfinished, os.O_WRONLY|os.O_CREATE|os.O_EXCL, 0o666) //nolint:gosec // the user's umask decides
	if err != nil {
		return err
	}
	defer func() {
		if err != nil {
			err = errors.Join(err, os.Remove(unfinished))
		}
	}()
	if err := errors.Join(write(out), out.Close()); err != nil {
		return err
	}
	return os.Rename(unfinished, path)
}

// jobs lists what there is to do, and refuses what could not end well before any of it is done.
func (c *removeCmd) jobs() ([]job, error) {
	if c.Out != "" && c.Dir != "" {
		return nil, errors.New("give -o or -d, not both")
	}
	var jobs []job
	for _, in := range c.In {
		info, err := os.Stat(in)
		if err != nil {
			return nil, err
		}
		if !info.IsDir() {
			jobs = append(jobs, job{in, c.target(in, filepath.Base(in))})
			continue
		}
		found, err := c.folder(in)
		if err != nil {
			return nil, err
		}
		jobs = append(jobs, found...)
	}
	if c.Out != "" && len(jobs) != 1 {
		return nil, fmt.Errorf("-o names one file, but there are %d photos; use -d DIR", len(jobs))
	}
	if len(jobs) == 0 {
		return nil, fmt.Errorf("no photos found (%s)", strings.Join(readable, " "))
	}
	target := map[string]string{}
	for _, j := range jobs {
		if other, taken := target[j.out]; taken {
			return nil, fmt.Errorf("the cutouts of %s and %s would both be %s", other, j.in, j.out)
		}
		target[j.out] = j.in
	}
	return jobs, nil
}

func (c *removeCmd) folder(root string) (jobs []job, err error) {
	err = filepath.WalkDir(root, func(path string, entry fs.DirEntry, err error) error {
		name := strings.ToLower(entry.Name())
		if err != nil || entry.IsDir() || strings.HasSuffix(name, cutoutSuffix) || !slices.Contains(readable, filepath.Ext(name)) {
			return err
		}
		below, err := filepath.Rel(root, path)
		if err != nil {
			return err
		}
		jobs = append(jobs, job{path, c.target(path, below)})
		return nil
	})
	return jobs, err
}

// target is where the cutout of a photo goes; below is the photo's path below the argument it was found in.
func (c *removeCmd) target(in, below string) string {
	name := func(path string) string { return strings.TrimSuffix(path, filepath.Ext(path)) + cutoutSuffix }
	switch {
	case c.Out != "":
		return c.Out
	case c.Dir != "":
		return filepath.Join(c.Dir, name(below))
	default:
		return name(in)
	}
}

// sentence is how an error is told to the person who typed the command.
func sentence(err error) string {
	if r, ok := refusal.As(err); ok {
		return r.Text + " " + r.Help
	}
	return err.Error()
}
