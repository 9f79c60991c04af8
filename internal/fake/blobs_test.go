package fake_test

import (
	"testing"

	"github.com/bgremover/bgremover/adapters/blob/blobtest"
	"github.com/bgremover/bgremover/internal/fake"
	"github.com/bgremover/bgremover/internal/usecase"
)

func TestBlobs(t *testing.T) {
	blobtest.Conformance(t, func(*testing.T) usecase.Blobs { return new(fake.Blobs) })
}
