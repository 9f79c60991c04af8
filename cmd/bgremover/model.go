package main

import (
	"context"
	"errors"
	"fmt"
	"path/filepath"
	"slices"
	"time"

	"golang.org/x/sync/errgroup"

	"github.com/bgremover/bgremover/adapters/onnx"
	"github.com/bgremover/bgremover/adapters/opa"
	"github.com/bgremover/bgremover/deploy/models"
	"github.com/bgremover/bgremover/domain/event"
	"github.com/bgremover/bgremover/internal/config"
	"github.com/bgremover/bgremover/internal/embedded"
	"github.com/bgremover/bgremover/internal/usecase"
	"github.com/bgremover/bgremover/policies"
)

// candidate is the configured model before the rule model.load was asked. It is fed with no
// picture until the rule allows it.
type candidate struct {
	*onnx.Model // nil if its file is not the one of its passport
	passport    onnx.Passport
	misfit      error // says that it is not
	accepted    bool  // the operator answers for the gaps of its passport
}

// loadModel loads the configured model, whatever its licences are.
func loadModel(ctx context.Context, cfg config.Model, cores int) (candidate, error) {
	passport, dir, err := onnx.LoadPassport(cfg.Model)
	if err != nil {
		return candidate{}, err
	}
	files, err := embedded.FindRuntime()
	if err != nil {
		return candidate{}, err
	}
	library, err := files.ONNX()
	if err != nil {
		return candidate{}, err
	}
	if dir == "" { // a model that we know by name lies in the runtime's folder
		part, err := files.Model(passport.Name)
		if err != nil {
			return candidate{}, err
		}
		dir = filepath.Dir(part.Path)
	}
	c := candidate{passport: passport, accepted: cfg.AcceptModelPassport == passport.Name}
	c.Model, err = onnx.Open(ctx, onnx.Config{RuntimeLib: library, Passport: passport, ModelDir: dir, Cores: cores})
	var other *onnx.HashError
	if errors.As(err, &other) {
		c.misfit = err
		return c, nil
	}
	return c, err
}

// asked is what the rule looks at.
func (c candidate) asked() usecase.ModelPassport {
	return asked(c.passport, c.accepted, c.misfit == nil)
}

func asked(p onnx.Passport, accepted, matches bool) usecase.ModelPassport {
	return usecase.ModelPassport{
		Name: p.Name, Digest: p.Digest,
		Code: p.Licences.Code.Licence, Weights: p.Licences.Weights.Licence, Data: p.Licences.TrainingData.Licence,
		Matches: matches, Accepted: accepted,
	}
}

// judged is what the rule said of a model.
type judged struct {
	usecase.ModelAnswer
	by event.Decision
}

// judge asks the rule. No answer is a no.
func judge(ctx context.Context, rules usecase.ModelPolicy, m usecase.ModelPassport) (judged, error) {
	answer, by, err := rules.LoadModel(ctx, m)
	if errors.Is(err, opa.ErrDenied) {
		answer, err = usecase.ModelAnswer{RefusedBy: []string{usecase.Undecided}}, nil
	}
	return judged{answer, by}, err
}

// refusal says to the operator why a model is not used, and what to do.
func (c candidate) refusal(j judged) error {
	switch {
	case c.misfit != nil:
		return c.misfit
	case slices.Equal(j.RefusedBy, []string{"data"}) && c.passport.Licences.TrainingData.Licence == onnx.NotEstablished:
		return fmt.Errorf("the model %[1]s is not used: %[2]s\nUse another model, or take the responsibility with --accept-model-passport=%[1]s", c.passport.Name, c.passport.Summary())
	}
	return fmt.Errorf("the model %s is not used: %s\nThe rule model.load refuses it (%v), whoever accepts it; use another model", c.passport.Name, c.passport.Summary(), j.RefusedBy)
}

// openModel loads a model for this process alone, outside any service, by the same rule.
func openModel(ctx context.Context, cfg config.Model, cores int) (*onnx.Model, error) {
	rules, err := opa.New(ctx, opa.Config{Bundle: policies.Bundle, ImagePeriod: 24 * time.Hour})
	if err != nil {
		return nil, err
	}
	c, err := loadModel(ctx, cfg, cores)
	if err != nil {
		return nil, err
	}
	j, err := judge(ctx, rules, c.asked())
	if err == nil && !j.Allow {
		err = c.refusal(j)
	}
	if err != nil && c.Model != nil {
		err = errors.Join(err, c.Close())
	}
	if err != nil {
		return nil, err
	}
	return c.Model, nil
}

// decideModel asks the rule about the model that was loaded. A refusal is recorded before the
// service gives up.
func (s *service) decideModel(ctx context.Context) (err error) {
	if s.judged, err = judge(ctx, s.policy, s.model.asked()); err != nil {
		return fmt.Errorf("ask whether the model may be used: %w", err)
	}
	if s.judged.Allow {
		if !s.judged.Established {
			s.log.WarnContext(ctx, "a model with gaps in its passport is accepted by the operator", "model", s.model.passport.Name, "passport", s.model.passport.Summary())
		}
		return nil
	}
	if err := s.recordRefusedModel(ctx); err != nil {
		s.log.WarnContext(ctx, "that a model was refused is not in the record", "model", s.model.passport.Name, "err", err)
	}
	return s.model.refusal(s.judged)
}

// refusalTime is how long a service that gives up tries to leave that in the record.
const refusalTime = 20 * time.Second

func (s *service) recordRefusedModel(ctx context.Context) error {
	ctx, cancel := context.WithTimeout(ctx, refusalTime)
	defer cancel()
	below, stop := context.WithCancel(context.WithoutCancel(ctx))
	var foundation errgroup.Group
	foundation.Go(func() error { return s.ledger.Run(below) })
	foundation.Go(func() error { return s.sequencer.Run(below) })
	err := usecase.DeclareModel{Record: s.ledger, Now: s.milliseconds}.Refused(ctx, s.model.asked(), s.judged.ModelAnswer, s.judged.by)
	stop()
	return errors.Join(err, foundation.Wait())
}

// knownPassports are those that the release carries, and the one in service in front if it is another.
func knownPassports(served onnx.Passport) (all []onnx.Passport, err error) {
	for _, name := range models.Names() {
		p, _, err := onnx.LoadPassport(name)
		if err != nil {
			return nil, err
		}
		if p.Digest == served.Digest {
			all = slices.Insert(all, 0, p)
			continue
		}
		all = append(all, p)
	}
	if len(all) == 0 || all[0].Digest != served.Digest {
		all = slices.Insert(all, 0, served)
	}
	return all, nil
}
