package answer

import (
	"net/http"

	"github.com/bgremover/bgremover/adapters/web/scope"
	"github.com/bgremover/bgremover/domain/refusal"
)

// Problem is a refusal as RFC 9457 problem details.
type Problem struct {
	Type   string `json:"type"`
	Title  string `json:"title"`
	Status int    `json:"status"`
	Detail string `json:"detail"`
	Code   string `json:"code"`
	Trace  string `json:"trace_id"`
}

func problem(w http.ResponseWriter, r *http.Request, refused *refusal.Error, status int) {
	write(w, "application/problem+json", status, Problem{
		Type:   "urn:bgremover:problem:" + refused.Code,
		Title:  refused.Text,
		Status: status,
		Detail: refused.Help,
		Code:   refused.Code,
		Trace:  scope.Of(r.Context()).TraceID,
	})
}
