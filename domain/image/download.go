package image

import "github.com/bgremover/bgremover/domain/refusal"

// Reasons a result is not handed out.
var (
	// ErrUnknown answers an unknown picture and a wrong or missing capability alike.
	ErrUnknown = refusal.New(refusal.Missing, "image.unknown",
		"There is no such photo, or this link does not open it.", "Use the whole link that the upload answered.")
	ErrNotReady = refusal.New(refusal.Conflict, "image.not_ready",
		"The cutout is still being made.", "Ask again in a second, or follow its events.")
	ErrGone = refusal.New(refusal.Gone, "image.deleted",
		"This photo and its cutout are deleted.", "Upload it again if you need it again.")
	ErrDownloading = refusal.New(refusal.Conflict, "image.downloading",
		"The cutout is being downloaded right now, and can be downloaded once.", "Wait for that download; if it breaks off, try again.")
)

// MayDownload says whether the result can be handed out now.
func MayDownload(img Image) error {
	switch img.Status() {
	case Unknown:
		return ErrUnknown
	case Waiting:
		return ErrNotReady
	case Failed:
		return Unusable(img.failed)
	case Gone:
		return ErrGone
	case Ready:
	}
	return nil
}
