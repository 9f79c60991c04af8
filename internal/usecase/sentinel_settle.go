package usecase

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/bgremover/bgremover/domain/event"
	"github.com/bgremover/bgremover/domain/id"
	"github.com/bgremover/bgremover/domain/image"
	"github.com/bgremover/bgremover/domain/personal"
)

// suspect is what the view calls wrong. The record has the last word.
type suspect struct {
	name   string // of the object; of a key, the picture's id
	code   string
	stored time.Time
}

// suspectsAtOnce is how many suspects one audit confirms and removes. The rest is counted, and is
// the next audit's.
const suspectsAtOnce = 10_000

// settleTime is how long confirming may take, and removing again as long.
const settleTime = 5 * time.Minute

func (r *auditRun) suspect(one suspect) {
	if len(r.suspects) >= suspectsAtOnce {
		r.note(one.code, 1)
		return
	}
	r.suspects = append(r.suspects, one)
}

// settle asks the record about each suspect, counts those that are wrong indeed, and removes what may be
// removed if everything was seen.
func (r *auditRun) settle(ctx context.Context) {
	confirmed := r.confirmed(ctx)
	if !r.whole() {
		return // never on what was not seen whole
	}
	ctx, cancel := context.WithTimeout(ctx, settleTime)
	defer cancel()
	var failed int
	var first error
	for _, one := range confirmed {
		gone, err := r.remove(ctx, one)
		if gone {
			r.removed++
		}
		if err != nil {
			if failed++; first == nil {
				first = err
			}
		}
	}
	if failed > 0 {
		// It was all seen; what resisted is found again.
		r.leftover = fmt.Errorf("%d could not be removed, the first: %w", failed, first)
	}
}

// confirmed returns the suspects that are wrong by the record's own word. Those for which there is no time
// are counted, and not returned.
func (r *auditRun) confirmed(ctx context.Context) []suspect {
	ctx, cancel := context.WithTimeout(ctx, settleTime)
	defer cancel()
	confirmed := r.suspects[:0]
	for i, one := range r.suspects {
		code, err := r.confirm(ctx, one)
		if err != nil {
			for _, unsure := range r.suspects[i:] {
				r.note(unsure.code, 1)
			}
			if ctx.Err() == nil { // not just out of time
				r.missed(codeIncomplete, fmt.Errorf("confirm %d suspects: %w", len(r.suspects)-i, err))
			}
			return confirmed
		}
		if code != "" {
			r.note(code, 1)
			one.code = code
			confirmed = append(confirmed, one)
		}
	}
	return confirmed
}

// confirm returns what is wrong by the record's own word; "" if nothing is any more.
func (r *auditRun) confirm(ctx context.Context, one suspect) (code string, err error) {
	img, known, ok := copyOf(one.name)
	if one.ofKey() {
		return r.confirmKey(ctx, img, one)
	}
	there, err := r.exists(ctx, one.name)
	if err != nil || !there {
		return "", err
	}
	if !ok {
		return codeUnknown, nil
	}
	state, err := r.state(ctx, img)
	if err != nil {
		return "", err
	}
	switch state.Status() {
	case image.Gone:
		return codeOfDeleted, nil
	case image.Unknown:
		return r.unlessNew(one.stored), nil
	case image.Waiting, image.Ready, image.Failed:
	}
	if !r.now.Before(state.Due()) {
		return codeOverdue, nil
	}
	if !known {
		return r.unlessNew(one.stored), nil
	}
	alive, err := r.alive(ctx, img)
	if err != nil || alive {
		return "", err
	}
	return codeWithoutKey, nil
}

func (s suspect) ofKey() bool {
	switch s.code {
	case codeKeyUnused, codeKeyOverdue, codeKeyUnknown:
		return true
	}
	return false
}

func (r *auditRun) confirmKey(ctx context.Context, img id.Image, one suspect) (string, error) {
	state, err := r.state(ctx, img)
	if err != nil {
		return "", err
	}
	alive, err := r.alive(ctx, img) // after the record: a deletion ends the key first
	switch {
	case err != nil || !alive || state.Status() == image.Gone:
		return "", err
	case !state.Known():
		return codeKeyUnknown, nil
	case one.code == codeKeyUnknown:
		return "", nil // the view had not heard of it
	case !r.now.Before(state.Due()):
		return codeKeyOverdue, nil
	}
	return codeKeyUnused, nil
}

func (r *auditRun) state(ctx context.Context, img id.Image) (image.Image, error) {
	history, err := r.load(ctx, image.Stream(img))
	if err != nil {
		return image.Image{}, fmt.Errorf("load image: %w", err)
	}
	return image.FromRecord(history), nil
}

func (r *auditRun) alive(ctx context.Context, img id.Image) (bool, error) {
	alive, err := r.Keys.Alive(ctx, []personal.KeyID{image.Key(img)})
	return len(alive) > 0, err
}

// remove removes what was confirmed, if it is of those that are removed. Of a picture whose time is
// over, the record gets its deletion first; the object goes also when that fails.
func (r *auditRun) remove(ctx context.Context, one suspect) (gone bool, err error) {
	img, _, ok := copyOf(one.name)
	switch one.code {
	case codeOfDeleted:
	case codeOverdue:
		err = r.end(ctx, img)
	case codeKeyOverdue:
		return false, r.end(ctx, img)
	case codeUnknown:
		if may, err := r.mayForget(ctx, img, ok, one.stored); err != nil || !may {
			return false, err
		}
	default:
		return false, nil
	}
	if failed := r.Blobs.Delete(ctx, one.name); failed != nil {
		return false, errors.Join(err, fmt.Errorf("remove an object: %w", failed))
	}
	return true, err
}

// mayForget says whether an object that the record does not know is removed: an hour after it was stored, unless
// there is a key that opens it, which says that a fact may be missing; or the record is empty, and
// perhaps another's.
func (r *auditRun) mayForget(ctx context.Context, img id.Image, isPicture bool, stored time.Time) (bool, error) {
	if r.through == 0 || r.wall.Sub(stored) < unknownKept {
		return false, nil
	}
	if !isPicture {
		return true, nil
	}
	alive, err := r.alive(ctx, img)
	return !alive, err
}

// end deletes a picture whose time is over, in the one way in which pictures are deleted. The rule
// is asked for the record's sake: it has no say, because the time that was promised is over.
func (r *auditRun) end(ctx context.Context, img id.Image) error {
	ctx, cancel := context.WithTimeout(ctx, dueEach)
	defer cancel()
	_, err := deletion{r.Record, r.Blobs, r.Now}.run(ctx, img, order{
		allowed: func(image.Image) error { return nil },
		ask: func(state image.Image, now time.Time) (bool, event.Decision, error) {
			_, decision, err := r.Retention.Due(ctx, state.Due(), now)
			return true, decision, err
		},
		why:   image.BecauseDue,
		actor: event.Actor{Role: event.Clock},
	})
	if err != nil {
		return fmt.Errorf("delete what is overdue: %w", err)
	}
	return nil
}
