package kms

import (
	"context"
	"errors"
	"fmt"
	"strings"

	"github.com/tink-crypto/tink-go-gcpkms/v2/integration/gcpkms"
	"google.golang.org/api/googleapi"
	"google.golang.org/api/option"
)

// cloudOptions reach another Cloud KMS than Google's: tests set them.
var cloudOptions []option.ClientOption

// openCloud reaches a key of Google Cloud KMS by its REST API, with the credentials that
// Google's tools find (https://cloud.google.com/docs/authentication/application-default-credentials).
func openCloud(ctx context.Context, uri string) (remote, error) {
	if !strings.Contains(uri, "/cryptoKeys/") {
		return remote{}, ErrURI
	}
	client, err := gcpkms.NewClient(ctx, uri,
		gcpkms.WithTransport(gcpkms.TransportREST), gcpkms.WithGoogleAPIClientOptions(cloudOptions...))
	if err != nil { // it has asked nobody yet: it found no credentials, or cannot use them
		return remote{}, fmt.Errorf("%w (%w)", ErrDenied, err)
	}
	aead, err := client.GetAEAD(uri)
	return remote{aead, explainCloud}, err
}

// explainCloud follows https://cloud.google.com/kms/docs/reference/rest: a 400 is a
// ciphertext of another key, or a key that is disabled, which the reason tells.
func explainCloud(err error) error {
	api, ok := errors.AsType[*googleapi.Error](err)
	switch {
	case !ok:
		return nil
	case api.Code == 400 && strings.Contains(api.Body, "FAILED_PRECONDITION"):
		return ErrNoKey
	}
	return byStatus(api.Code)
}
