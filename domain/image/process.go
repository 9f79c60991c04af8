package image

// MaxAttempts is how often a cutout is tried: a picture that kills its processor is
// tried once more, in case it was innocent.
const MaxAttempts = 2

// DecideProcessed returns the fact that a finished cutout leads to. ok is false when
// nobody waits for it any more: the picture was deleted meanwhile, or another processor was first.
func DecideProcessed(img Image, p Processed) (fact Processed, ok bool) {
	return p, img.Status() == Waiting
}

// DecideFailed returns the fact that a failed cutout leads to, under the same condition.
func DecideFailed(img Image, code string, attempts int) (fact ProcessingFailed, ok bool) {
	return ProcessingFailed{Code: code, Attempts: attempts}, img.Status() == Waiting
}
