package main

import (
	"context"
	"fmt"
	"log/slog"
	"path/filepath"

	"github.com/bgremover/bgremover/adapters/onnx"
	"github.com/bgremover/bgremover/internal/config"
	"github.com/bgremover/bgremover/internal/embedded"
)

// openModel loads the configured model, if its passport is in order or the operator accepts it as it is.
func openModel(ctx context.Context, cfg config.Model, cores int, log *slog.Logger) (*onnx.Model, error) {
	passport, dir, err := onnx.LoadPassport(cfg.Model)
	if err != nil {
		return nil, err
	}
	if !passport.Established() {
		if cfg.AcceptModelPassport != passport.Name {
			return nil, fmt.Errorf("the model %[1]s is not used: %[2]s\nUse another model, or take the responsibility with --accept-model-passport=%[1]s", passport.Name, passport.Summary())
		}
		log.WarnContext(ctx, "a model with gaps in its passport is accepted by the operator", "model", passport.Name, "passport", passport.Summary())
	}
	files, err := embedded.FindRuntime()
	if err != nil {
		return nil, err
	}
	library, err := files.ONNX()
	if err != nil {
		return nil, err
	}
	if dir == "" { // a model that we know by name lies in the runtime's folder
		part, err := files.Model(passport.Name)
		if err != nil {
			return nil, err
		}
		dir = filepath.Dir(part.Path)
	}
	return onnx.Open(ctx, onnx.Config{RuntimeLib: library, Passport: passport, ModelDir: dir, Cores: cores})
}
