package operator

import (
	"encoding/json"
	"net/http"
)

// Ground is where the service keeps everything. It holds passwords: whoever may open the
// socket may read the files that hold them, too.
type Ground struct {
	Postgres      string   `json:"postgres"`
	VaultPostgres string   `json:"vault_postgres,omitempty"` // another login, for keys
	Own           bool     `json:"own,omitempty"`            // Postgres is ours alone
	VaultKey      string   `json:"vault_key,omitempty"`      // the URI of what seals the keyset
	Brokers       []string `json:"brokers"`
	User          string   `json:"user,omitempty"`
	Password      string   `json:"password,omitempty"`
	SASL          string   `json:"sasl,omitempty"`
	TLS           bool     `json:"tls,omitempty"`
	CA, Cert, Key string   `json:",omitempty"` // paths of files
}

func ground(where func() Ground) http.HandlerFunc {
	return func(w http.ResponseWriter, _ *http.Request) {
		w.Header().Set("Content-Type", "application/json")
		_ = json.NewEncoder(w).Encode(where()) //nolint:gosec // The passwords are for whoever may open the socket.
	}
}
