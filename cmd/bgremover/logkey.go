package main

import (
	"context"
	"errors"
	"fmt"
	"io"

	"github.com/bgremover/bgremover/adapters/web/operator"
	"github.com/bgremover/bgremover/internal/config"
)

// logKeyCmd is `bgremover log key`.
type logKeyCmd struct{ config.Folder }

func (c *logKeyCmd) run(ctx context.Context, std streams) error {
	body, err := askService(ctx, c.Data, "/log/keys")
	if err != nil {
		return err
	}
	keys, err := readLogKeys(body)
	if err != nil {
		return err
	}
	for _, key := range keys {
		if _, err := fmt.Fprintln(std.out, key); err != nil {
			return err
		}
	}
	return nil
}

// logRotateKeyCmd is `bgremover log rotate-key`.
type logRotateKeyCmd struct{ config.Folder }

func (c *logRotateKeyCmd) run(ctx context.Context, std streams) error {
	body, err := tellService(ctx, c.Data, "/log/rotate-key", struct{}{})
	if err != nil {
		return err
	}
	keys, err := readLogKeys(body)
	if err != nil {
		return err
	}
	_, err = fmt.Fprintf(std.out, "%s\nThis key signs from now on, and the old one has signed for it. Tell your witnesses.\n", keys[len(keys)-1])
	return err
}

func readLogKeys(body io.ReadCloser) ([]string, error) {
	var answer operator.LogKeys
	err := readAnswer(body, &answer)
	if err == nil && len(answer.Keys) == 0 {
		err = errors.New("the service named no key; it is of another release")
	}
	return answer.Keys, err
}
