package usecase

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"slices"
	"strings"
	"time"

	"github.com/bgremover/bgremover/domain/id"
	"github.com/bgremover/bgremover/domain/image"
	"github.com/bgremover/bgremover/domain/personal"
)

// ForeignError says that a listing is whole and also met things that are no objects.
type ForeignError struct{ Count int64 }

// Error implements [error].
func (e ForeignError) Error() string {
	return fmt.Sprintf("%d things in the store are no objects", e.Count)
}

const (
	// unknownReported is how old an object is that the record does not know before that is said: an
	// upload stores its photo before it records it.
	unknownReported = 10 * time.Minute
	// unknownKept is how old it is before it is removed.
	unknownKept = time.Hour
	// headsAgain is how far before an audit the next one begins to read heads: stores stamp by their own clock.
	headsAgain = 15 * time.Minute
)

// listStore compares every object with the record.
func (r *auditRun) listStore(ctx context.Context) error {
	batch := make([]Blob, 0, auditBatch)
	err := r.Blobs.List(ctx, func(b Blob) error {
		if r.seen.add(b.Name) {
			return ctx.Err() // a store may name an object twice
		}
		r.objects++
		batch = append(batch, b)
		if len(batch) < auditBatch {
			return ctx.Err()
		}
		err := r.judge(ctx, batch)
		batch = batch[:0]
		r.tell()
		return errors.Join(err, ctx.Err())
	})
	var foreign ForeignError
	if errors.As(err, &foreign) {
		r.note(codeForeign, foreign.Count)
		err = nil
	}
	if err != nil {
		return err
	}
	return r.judge(ctx, batch)
}

// judge looks for what is wrong with some objects.
func (r *auditRun) judge(ctx context.Context, batch []Blob) error {
	var pictures []id.Image
	for _, b := range batch {
		if img, _, ok := copyOf(b.Name); ok {
			pictures = append(pictures, img)
		}
	}
	held, alive, err := r.ask(ctx, pictures)
	if err != nil {
		return err
	}
	for _, b := range batch {
		if code := r.wrongWith(b, held, alive); code != "" {
			r.suspect(suspect{name: b.Name, code: code, stored: b.Stored})
		}
		if b.Stored.Before(r.headsFrom) {
			continue
		}
		if err := r.readHead(ctx, b.Name); err != nil {
			return err
		}
	}
	return nil
}

// ask asks the view and the vault about some pictures.
func (r *auditRun) ask(ctx context.Context, pictures []id.Image) (held map[id.Image]InCustody, alive map[personal.KeyID]bool, err error) {
	held, alive = map[id.Image]InCustody{}, map[personal.KeyID]bool{}
	if len(pictures) == 0 {
		return held, alive, nil
	}
	slices.Sort(pictures)
	pictures = slices.Compact(pictures)
	found, err := r.Custody.Pictures(ctx, pictures)
	if err != nil {
		return nil, nil, err
	}
	for _, p := range found {
		held[p.Image] = p
	}
	keys := make([]personal.KeyID, len(pictures))
	for i, img := range pictures {
		keys[i] = image.Key(img)
	}
	live, err := r.Keys.Alive(ctx, keys)
	if err != nil {
		return nil, nil, err
	}
	for _, key := range live {
		alive[key] = true
	}
	return held, alive, nil
}

// wrongWith returns the code of what is wrong with an object, as far as the view knows.
func (r *auditRun) wrongWith(b Blob, held map[id.Image]InCustody, alive map[personal.KeyID]bool) string {
	img, known, isCopy := copyOf(b.Name)
	p, recorded := held[img]
	switch {
	case !isCopy, !recorded, p.UploadedSeq == 0 && !p.Deleted:
		return r.unlessNew(b.Stored)
	case p.Deleted:
		return codeOfDeleted
	case !r.now.Before(p.Due):
		return codeOverdue
	case !known:
		return r.unlessNew(b.Stored)
	case !alive[image.Key(img)]:
		return codeWithoutKey
	}
	return ""
}

func (r *auditRun) unlessNew(stored time.Time) string {
	if r.wall.Sub(stored) < unknownReported {
		return ""
	}
	return codeUnknown
}

// copyOf returns the picture that an object is named after, and whether it is a kind of copy that there is.
func copyOf(name string) (img id.Image, known, ok bool) {
	first, kind, _ := strings.Cut(name, "/")
	img, ok = id.ParseImage(first)
	return img, ok && slices.Contains(image.Copies(), kind), ok
}

// readHead looks whether an object is a picture in clear. It reads no more than its first bytes.
func (r *auditRun) readHead(ctx context.Context, name string) error {
	blob, _, err := r.Blobs.Open(ctx, name)
	if errors.Is(err, fs.ErrNotExist) {
		return nil
	}
	if err != nil {
		return fmt.Errorf("look at an object: %w", err)
	}
	head := make([]byte, headSize)
	n, err := io.ReadFull(blob, head)
	if errors.Is(err, io.EOF) || errors.Is(err, io.ErrUnexpectedEOF) {
		err = nil
	}
	if err = joinClose(err, blob); err != nil {
		return fmt.Errorf("look at an object: %w", err)
	}
	if IsPicture(head[:n]) {
		r.note(codeUnsealed, 1)
	}
	return nil
}

// headSize is how much of a file tells whether it is a picture.
const headSize = 12

// IsPicture says whether a file that begins so is a JPEG, PNG, WebP or GIF in clear. A sealed one
// begins with the length of its header.
func IsPicture(head []byte) bool {
	for _, magic := range []string{"\xff\xd8\xff", "\x89PNG\r\n\x1a\n", "GIF87a", "GIF89a"} {
		if bytes.HasPrefix(head, []byte(magic)) {
			return true
		}
	}
	return len(head) >= headSize && string(head[:4]) == "RIFF" && string(head[8:12]) == "WEBP"
}

// exists says whether the store has an object.
func (r *auditRun) exists(ctx context.Context, name string) (bool, error) {
	blob, _, err := r.Blobs.Open(ctx, name)
	switch {
	case errors.Is(err, fs.ErrNotExist):
		return false, nil
	case err != nil:
		return false, fmt.Errorf("look for an object: %w", err)
	}
	return true, blob.Close()
}
