package answer

import (
	"net/http"

	"github.com/bgremover/bgremover/adapters/web/scope"
	"github.com/bgremover/bgremover/domain/image"
	"github.com/bgremover/bgremover/domain/refusal"
	"github.com/bgremover/bgremover/internal/usecase"
)

// Envelope is remove.bg's way to say that something is wrong.
type Envelope struct {
	Errors []EnvelopeError `json:"errors"`
}

// EnvelopeError is one error in an [Envelope].
type EnvelopeError struct {
	Title  string `json:"title"`
	Code   string `json:"code"`
	Detail string `json:"detail"`
}

// theirCode lists remove.bg's codes for our refusals. Theirs are all answered with 400, but for who sends
// too much. What is not listed keeps our code and our status: it has no counterpart there.
var theirCode = map[string]string{
	image.ErrEmpty.Code:             "failed_to_read_image",
	image.ErrTooLarge.Code:          "file_too_large",
	image.ErrTooManyPixels.Code:     "resolution_too_high",
	image.ErrNotAnImage.Code:        "invalid_file_type",
	image.ErrUnsupportedFormat.Code: "invalid_file_type",
	image.ErrTruncated.Code:         "failed_to_read_image",
	image.ErrProcessing.Code:        "failed_to_read_image",
	usecase.ErrTooManyUploads.Code:  tooManyThere,
	usecase.ErrNetworkUploads.Code:  tooManyThere,
}

const tooManyThere = "rate_limit_exceeded" // 429

func envelope(w http.ResponseWriter, r *http.Request, refused *refusal.Error, status int) {
	code, detail := refused.Code, refused.Help
	if theirs, ok := theirCode[code]; ok {
		code = theirs
		if theirs != tooManyThere {
			status = http.StatusBadRequest
		}
	}
	if code == errInternal.Code {
		detail += " (" + scope.Of(r.Context()).TraceID + ")"
	}
	write(w, "application/json", status, Envelope{Errors: []EnvelopeError{{Title: refused.Text, Code: code, Detail: detail}}})
}
