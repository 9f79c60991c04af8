package usecase

import (
	"context"
	"encoding/hex"
	"errors"
	"fmt"
	"time"

	"github.com/bgremover/bgremover/domain/event"
	"github.com/bgremover/bgremover/domain/id"
	"github.com/bgremover/bgremover/domain/image"
	"github.com/bgremover/bgremover/domain/personal"
	"github.com/bgremover/bgremover/internal/fault"
)

// basisContract is the legal basis of a cutout: the person asks for it (GDPR article 6(1)(b)).
const basisContract = "contract"

// requestLease is how long an upload may take, once its bytes are here, before a repetition
// may take it over: the vault, the store and the record together have less.
const requestLease = 90 * time.Second

// Inspect looks at the head of a picture without decoding it and refuses what cannot be
// one, or is too large to decode.
type Inspect func(picture []byte) (Head, error)

// Head is what the head of a picture says.
type Head struct {
	Type   string // jpeg, png, webp, gif
	Pixels int64
}

// Upload accepts pictures.
type Upload struct {
	Record    Record
	Vault     Vault
	Blobs     Blobs
	Retention Retention
	Secrets   Secrets
	Requests  Requests
	Inspect   Inspect
	Gate      Gate
	Crowded   func() bool  // more pictures wait for their cutout than can be cut out soon
	Holdup    func() error // why no picture is taken, as when deletions are late; nil while they are taken
	Now       Now
	NewImage  NewImage
}

// UploadCommand is a picture that somebody hands us.
type UploadCommand struct {
	Client         Client
	IdempotencyKey string // chosen by the client; "" when the request is not to be repeated
	Owner          personal.Text
	FileName       personal.Text
	Picture        []byte
}

// Uploaded is the answer to an accepted picture.
type Uploaded struct {
	Image      id.Image
	Capability string // the token that opens the result; only its hash is kept
	DeleteBy   time.Time
	Quota      Quota // zero when the picture was not counted
}

// Do records the upload or returns a refusal. When it returns without error, the sealed
// picture is durable and the fact is in the record. When it fails on the way, what was
// stored is noise: its key never left memory.
func (u Upload) Do(ctx context.Context, cmd UploadCommand) (Uploaded, error) {
	head, err := u.inspect(cmd.Picture)
	if err != nil {
		u.Gate.Spend(cmd.Client)
		return Uploaded{}, err
	}
	if err := u.Holdup(); err != nil {
		return Uploaded{}, err
	}
	if u.Crowded() {
		return Uploaded{}, image.ErrCrowded
	}
	admitted, err := u.Gate.Enter(ctx, cmd.Client, Load{Type: head.Type, Bytes: int64(len(cmd.Picture)), Pixels: head.Pixels})
	if err != nil {
		return Uploaded{}, err
	}
	if cmd.IdempotencyKey != "" {
		return u.once(ctx, cmd, admitted)
	}
	admitted.Use()
	answer, err := u.record(ctx, "", cmd)
	answer.Quota = admitted.Quota
	return answer, err
}

func (u Upload) inspect(picture []byte) (Head, error) {
	switch {
	case len(picture) == 0:
		return Head{}, image.ErrEmpty
	case len(picture) > image.MaxBytes:
		return Head{}, image.ErrTooLarge
	}
	return u.Inspect(picture)
}

// once carries out a request that names itself, unless it was carried out before: then it costs a request and no pixels.
func (u Upload) once(ctx context.Context, cmd UploadCommand, admitted Admission) (Uploaded, error) {
	// Both are keyed by what only the client and the service together know: the client's
	// name for its request may hold anything, and a plain hash of a picture would outlive it.
	name := []byte(cmd.IdempotencyKey)
	mac := u.Secrets.MAC("request", name)
	fingerprint := u.Secrets.MAC("request fingerprint", name, cmd.Picture)
	req := id.Request(hex.EncodeToString(mac[:16]))

	state, err := u.Requests.Begin(ctx, req, fingerprint[:], requestLease)
	if err != nil {
		admitted.Leave()
		return Uploaded{}, fmt.Errorf("begin request: %w", err)
	}
	if state == RequestFresh {
		admitted.Use()
	} else {
		admitted.Repeat()
	}
	switch state {
	case RequestRunning:
		return Uploaded{}, ErrRunning
	case RequestOther:
		return Uploaded{}, ErrOtherBody
	case RequestFresh, RequestFinished: // the ledger answers a finished one with its first answer
	}
	answer, err := u.record(ctx, req, cmd)
	answer.Quota = admitted.Quota
	// The client may be gone; its request must not stay taken.
	ctx, cancel := lasting(ctx)
	defer cancel()
	if err != nil {
		return Uploaded{}, errors.Join(err, u.Requests.Abandon(ctx, req))
	}
	fault.Point("upload.recorded")
	// The upload is in the record: that its request could not be marked costs a repetition
	// some waiting, and the record answers it all the same.
	_ = u.Requests.Finish(ctx, req)
	return answer, nil
}

// record asks anew when the rules are replaced in the moment in which it rests on them.
func (u Upload) record(ctx context.Context, req id.Request, cmd UploadCommand) (Uploaded, error) {
	for range conflictRetries {
		answer, err := u.recordOnce(ctx, req, cmd)
		if !errors.Is(err, event.ErrPolicyChanged) {
			return answer, err
		}
	}
	return Uploaded{}, event.ErrPolicyChanged
}

func (u Upload) recordOnce(ctx context.Context, req id.Request, cmd UploadCommand) (Uploaded, error) {
	img, at := u.NewImage(), u.Now()
	token := Capability(u.Secrets, img)
	due, decision, err := u.Retention.Deadline(ctx, at)
	if err != nil {
		return Uploaded{}, fmt.Errorf("ask when the picture must be gone: %w", err)
	}
	fact, err := image.DecideUpload(image.Image{}, image.Upload{
		Capability: image.HashCapability(token),
		Owner:      cmd.Owner,
		FileName:   cmd.FileName,
		Bytes:      int64(len(cmd.Picture)),
		Due:        due,
		Basis:      basisContract,
		At:         at,
	})
	if err != nil {
		return Uploaded{}, err
	}
	key, err := u.Vault.New(image.Key(img))
	if err != nil {
		return Uploaded{}, fmt.Errorf("make a key: %w", err)
	}
	if err := putSealed(ctx, u.Blobs, key, blobName(img, image.Original), writeBytes(cmd.Picture)); err != nil {
		return Uploaded{}, fmt.Errorf("store the picture: %w", err)
	}
	fault.Point("upload.stored")
	appended, err := u.Record.Append(ctx, event.Append{
		Request: req,
		At:      at,
		Actor:   event.Actor{Role: event.Visitor, Who: cmd.Owner},
		Parts: []event.Part{{
			Stream: image.Stream(img),
			Facts:  []event.Pending{{Fact: fact, Decision: &decision}},
		}},
		Make: []personal.Key{key},
	})
	if errors.Is(err, event.ErrPolicyChanged) { // nothing is queued
		return Uploaded{}, errors.Join(err, u.Blobs.Delete(ctx, blobName(img, image.Original)))
	}
	if err != nil {
		// Whether the facts are queued is not known here, so the blob stays: if they are,
		// it is the picture; if not, the sentinel finds a blob that nobody knows.
		return Uploaded{}, fmt.Errorf("record the upload: %w", err)
	}
	if appended.Repeated {
		return u.first(ctx, img, appended)
	}
	return Uploaded{Image: img, Capability: token, DeleteBy: due}, nil
}

// first returns the answer that this request got the first time, and removes what the repetition stored.
func (u Upload) first(ctx context.Context, repeated id.Image, appended event.Appended) (Uploaded, error) {
	if err := u.Blobs.Delete(ctx, blobName(repeated, image.Original)); err != nil {
		return Uploaded{}, fmt.Errorf("remove the repeated picture: %w", err)
	}
	for _, env := range appended.Facts {
		img, isImage := image.OfStream(env.Stream)
		if fact, isUpload := env.Fact.(image.Uploaded); isImage && isUpload {
			return Uploaded{Image: img, Capability: Capability(u.Secrets, img), DeleteBy: fact.Due}, nil
		}
	}
	return Uploaded{}, errors.New("a request id of an upload names an append without one")
}

// Capability returns the token that opens a picture's result. It is made from the
// picture's id, so that a repeated request gets the same one and nothing has to be stored.
func Capability(s Secrets, img id.Image) string {
	mac := s.MAC("capability", []byte(img))
	return hex.EncodeToString(mac[:])
}
