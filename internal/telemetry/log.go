package telemetry

import (
	"encoding"
	"encoding/json"
	"fmt"
	"io"
	"log/slog"
	"os"
)

// NewLog returns a log to w. format is "text", "json", or "auto": text on a terminal, else
// JSON. level is "debug", "info", "warn" or "error".
func NewLog(w io.Writer, format, level string) (*slog.Logger, error) {
	var from slog.Level
	if err := from.UnmarshalText([]byte(level)); err != nil {
		return nil, fmt.Errorf("log level %q: one of debug, info, warn, error", level)
	}
	options := &slog.HandlerOptions{Level: from}
	switch {
	case format == "text", format == "auto" && IsTerminal(w):
		options.ReplaceAttr = asJSON
		return slog.New(slog.NewTextHandler(w, options)), nil
	case format == "json", format == "auto":
		options.ReplaceAttr = spoken
		return slog.New(slog.NewJSONHandler(w, options)), nil
	}
	return nil, fmt.Errorf("log format %q: one of auto, text, json", format)
}

// IsTerminal says whether somebody watches what is written there.
func IsTerminal(w io.Writer) bool {
	f, ok := w.(*os.File)
	if !ok {
		return false
	}
	info, err := f.Stat()
	return err == nil && info.Mode()&os.ModeCharDevice != 0
}

// spoken makes the JSON log say durations as the text log does, and not in nanoseconds.
func spoken(_ []string, a slog.Attr) slog.Attr {
	if a.Value.Kind() == slog.KindDuration {
		return slog.String(a.Key, a.Value.Duration().String())
	}
	return a
}

// asJSON makes the text log show composite values as the JSON log does. With %+v, which is
// slog's way, unexported fields would show, and what stands in one cannot hide itself.
func asJSON(_ []string, a slog.Attr) slog.Attr {
	if a.Value.Kind() != slog.KindAny {
		return a
	}
	switch v := a.Value.Any().(type) {
	case error, encoding.TextMarshaler, fmt.Formatter, fmt.Stringer:
		return a
	default:
		text, err := json.Marshal(v)
		if err != nil {
			text = fmt.Appendf(nil, "%T", v)
		}
		return slog.String(a.Key, string(text))
	}
}
