package fake

import (
	"testing"

	"github.com/bgremover/bgremover/internal/fake/accesstest"
	"github.com/bgremover/bgremover/internal/usecase"
)

func TestAccess(t *testing.T) {
	accesstest.Run(t, func(*testing.T) (usecase.Links, usecase.Sessions) {
		var a Access
		return a.Links(), a.Sessions()
	})
}
