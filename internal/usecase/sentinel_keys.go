package usecase

import (
	"context"
	"fmt"

	"github.com/bgremover/bgremover/domain/event"
	"github.com/bgremover/bgremover/domain/id"
	"github.com/bgremover/bgremover/domain/image"
	"github.com/bgremover/bgremover/domain/personal"
)

// listKeys looks for live keys that the record has destroyed, or whose picture it does not know.
func (r *auditRun) listKeys(ctx context.Context) error {
	var after personal.KeyID
	for {
		page, err := r.Keys.LiveKeys(ctx, after, auditBatch)
		if err != nil || len(page) == 0 {
			return err
		}
		if last := page[len(page)-1].ID; last != after {
			after = last
		} else {
			return fmt.Errorf("usecase: the vault lists keys after %s again and again", after)
		}
		r.keys += int64(len(page))
		if err := r.judgeKeys(ctx, page); err != nil {
			return err
		}
		r.tell()
	}
}

func (r *auditRun) judgeKeys(ctx context.Context, page []LiveKey) error {
	var pictures []id.Image
	var others, ended []personal.KeyID
	for _, k := range page {
		if img, ok := image.OfStream(event.Stream(k.ID)); ok {
			pictures = append(pictures, img)
		} else {
			others = append(others, k.ID)
		}
	}
	held, alive, err := r.ask(ctx, pictures) // alive: asked after the view, since a page ages
	if err != nil {
		return err
	}
	for _, k := range page {
		img, ok := image.OfStream(event.Stream(k.ID))
		if !ok || !alive[k.ID] {
			continue
		}
		switch p, recorded := held[img]; {
		case recorded && p.Deleted:
			r.note(codeKeyOfDeleted, 1)
		case (!recorded || p.UploadedSeq == 0) && k.Age >= forgottenAge:
			r.suspect(suspect{name: string(img), code: codeKeyUnknown})
		}
	}
	if len(others) == 0 {
		return nil
	}
	if ended, err = r.Custody.Ended(ctx, others); err != nil || len(ended) == 0 {
		return err
	}
	still, err := r.Keys.Alive(ctx, ended)
	r.note(codeKeyOfDeleted, int64(len(still)))
	return err
}

// listKept goes through the pictures that must be there. One that the store has and did not list
// says that the listing was not whole; one that it does not have leaves its key without an object.
func (r *auditRun) listKept(ctx context.Context) error {
	var after id.Image
	var unlisted int64
	for {
		page, err := r.Custody.Kept(ctx, after, auditBatch)
		if err != nil {
			return err
		}
		if len(page) == 0 {
			break
		}
		after = page[len(page)-1].Image
		n, err := r.judgeKept(ctx, page)
		unlisted += n
		if err != nil {
			return err
		}
		r.tell()
	}
	if unlisted == 0 {
		return nil
	}
	r.note(codeUnlisted, unlisted)
	return fmt.Errorf("usecase: the store has %d objects that it did not list", unlisted)
}

func (r *auditRun) judgeKept(ctx context.Context, page []InCustody) (unlisted int64, err error) {
	var missing []InCustody
	var keys []personal.KeyID
	for _, p := range page {
		// What was stored since the listing began may stand where it had been already.
		if p.UploadedSeq > r.through {
			continue
		}
		listed := false
		for _, kind := range image.Copies() {
			listed = listed || r.seen.has(blobName(p.Image, kind))
		}
		if listed {
			continue
		}
		there, err := r.anyCopy(ctx, p.Image)
		if err != nil {
			return unlisted, err
		}
		if there {
			unlisted++
			continue
		}
		missing, keys = append(missing, p), append(keys, image.Key(p.Image))
	}
	if len(missing) == 0 {
		return unlisted, nil
	}
	alive, err := r.Keys.Alive(ctx, keys)
	if err != nil {
		return unlisted, err
	}
	live := map[personal.KeyID]bool{}
	for _, key := range alive {
		live[key] = true
	}
	for _, p := range missing {
		code := codeKeyUnused
		if !r.now.Before(p.Due) {
			code = codeKeyOverdue
		}
		if live[image.Key(p.Image)] {
			r.suspect(suspect{name: string(p.Image), code: code})
		}
	}
	return unlisted, nil
}

func (r *auditRun) anyCopy(ctx context.Context, img id.Image) (bool, error) {
	for _, kind := range image.Copies() {
		if there, err := r.exists(ctx, blobName(img, kind)); there || err != nil {
			return there, err
		}
	}
	return false, nil
}
