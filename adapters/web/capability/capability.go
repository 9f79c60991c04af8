// Package capability is about who may see a picture: whoever holds the token that its
// upload answered.
//
// capability.go reads picture and token from a request and makes addresses that hold them;
// view.go opens the view of images with them. Unknown, wrong and missing tokens are
// answered alike, and no token is ever logged.
package capability

import (
	"net/http"
	"net/url"
	"strings"

	"github.com/bgremover/bgremover/domain/id"
	"github.com/bgremover/bgremover/domain/image"
)

// Of returns the picture in the path (its part named "id") and the token from the header
// "Authorization: Bearer" or, for links, the query's "key". What cannot be an id is
// answered as an unknown one.
func Of(r *http.Request) (img id.Image, token string, err error) {
	img, ok := id.ParseImage(r.PathValue("id"))
	if !ok {
		return "", "", image.ErrUnknown
	}
	if token, ok := bearer(r.Header.Get("Authorization")); ok {
		return img, token, nil
	}
	return img, r.URL.Query().Get("key"), nil
}

func bearer(header string) (token string, ok bool) {
	scheme, token, ok := strings.Cut(header, " ")
	return strings.TrimSpace(token), ok && strings.EqualFold(scheme, "Bearer")
}

// Page returns the address of a picture's page, with the token that opens it.
func Page(img id.Image, token string) string { return link("/i/"+string(img), token) }

// PageResult returns the address under which the page's visitor downloads the result.
func PageResult(img id.Image, token string) string { return link("/i/"+string(img)+"/result", token) }

// PageReceipt returns the address under which the page's visitor downloads the receipt.
func PageReceipt(img id.Image, token string) string { return link("/i/"+string(img)+"/receipt", token) }

// PageDelete returns the address to which the page's form for deleting is sent.
func PageDelete(img id.Image, token string) string { return link("/i/"+string(img)+"/delete", token) }

// API returns the address of a picture in /v1, or of a part of it ("result"), without a token.
func API(img id.Image, part string) string {
	if part == "" {
		return "/v1/images/" + string(img)
	}
	return "/v1/images/" + string(img) + "/" + part
}

// APIWithKey is [API] with the token in it, for what cannot send a header: an <img>, an EventSource.
func APIWithKey(img id.Image, part, token string) string { return link(API(img, part), token) }

func link(path, token string) string {
	return path + "?" + url.Values{"key": {token}}.Encode()
}
