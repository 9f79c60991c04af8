package kms

import (
	"context"
	"errors"
	"fmt"
	"strings"

	"github.com/aws/aws-sdk-go-v2/config"
	"github.com/aws/aws-sdk-go-v2/service/kms"
	"github.com/aws/smithy-go"
	smithyhttp "github.com/aws/smithy-go/transport/http"
	"github.com/tink-crypto/tink-go-awskms/v3/integration/awskms"
)

// openAWS reaches a key of AWS KMS in the region that its ARN names, with the credentials and
// the endpoint that Amazon's tools find (https://docs.aws.amazon.com/sdkref/latest/guide/).
func openAWS(ctx context.Context, uri string) (remote, error) {
	arn := strings.Split(strings.TrimPrefix(uri, "aws-kms://"), ":")
	if len(arn) != 6 || arn[0] != "arn" || arn[2] != "kms" || arn[3] == "" {
		return remote{}, ErrURI
	}
	settings, err := config.LoadDefaultConfig(ctx, config.WithRegion(arn[3]), config.WithRetryMaxAttempts(1))
	if err != nil {
		return remote{}, err
	}
	looking, cancel := context.WithTimeout(ctx, attemptTime)
	defer cancel()
	if _, err := settings.Credentials.Retrieve(looking); err != nil {
		return remote{}, fmt.Errorf("%w (%w)", ErrDenied, err)
	}
	client, err := awskms.NewClientWithOptions(ctx, uri, awskms.WithKMS(kms.NewFromConfig(settings)))
	if err != nil {
		return remote{}, err
	}
	aead, err := client.GetAEAD(uri)
	return remote{aead, explainAWS}, err
}

// explainAWS follows https://docs.aws.amazon.com/kms/latest/APIReference/API_Decrypt.html.
func explainAWS(err error) error {
	if api, ok := errors.AsType[smithy.APIError](err); ok {
		switch api.ErrorCode() {
		case "AccessDeniedException", "UnrecognizedClientException", "InvalidSignatureException", "ExpiredTokenException",
			"MissingAuthenticationTokenException", "IncompleteSignature", "InvalidClientTokenId", "OptInRequired", "NotAuthorized":
			return ErrDenied
		case "NotFoundException", "DisabledException", "KMSInvalidStateException":
			return ErrNoKey
		case "InvalidCiphertextException", "IncorrectKeyException":
			return ErrRejected
		case "KeyUnavailableException", "KMSInternalException", "DependencyTimeoutException", "ThrottlingException", "ServiceUnavailable":
			return ErrAway
		}
	}
	if answer, ok := errors.AsType[*smithyhttp.ResponseError](err); ok && answer.HTTPStatusCode() >= 500 {
		return ErrAway
	}
	return nil
}
