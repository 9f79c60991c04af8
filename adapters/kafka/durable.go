package kafka

import (
	"context"
	"encoding/json"
	"fmt"
	"log/slog"
	"slices"
	"strconv"

	"github.com/IBM/sarama"
)

// A fact is acknowledged when two of three brokers have it: the loss of one, whatever it
// takes with it, loses nothing, and does not stop the service.
const (
	copies       = 3
	copiesInSync = 2
	minInSync    = "min.insync.replicas"
)

// durable says whether a topic has enough copies. On a cluster that could have them, one
// that must keep everything is refused without; there a power loss of one machine would be
// the loss of acknowledged facts.
func (k *cluster) durable(t topic, partitions []*sarama.PartitionMetadata, is map[string]string) (bool, error) {
	inSync, err := strconv.Atoi(is[minInSync])
	if err != nil {
		return false, fmt.Errorf("%s is %q, and should be a number", minInSync, is[minInSync])
	}
	must := t.exact && len(k.brokers) >= copies
	for _, p := range partitions {
		if len(p.Replicas) >= copies {
			continue
		}
		if must {
			return false, fmt.Errorf("%w: there are %d brokers, and partition %d is on %d of them; it must be on %d: write %s into a file F, and run "+
				"kafka-reassign-partitions --bootstrap-server %s --execute --reassignment-json-file F",
				ErrTopic, len(k.brokers), p.ID, len(p.Replicas), copies, k.reassignment(t, partitions), k.at)
		}
		return false, nil
	}
	if inSync < copiesInSync && must {
		return false, fmt.Errorf("%w: %s is %d and must be at least %d; set it with %s",
			ErrTopic, minInSync, inSync, copiesInSync, k.configure(t.name, minInSync, strconv.Itoa(copiesInSync)))
	}
	return inSync >= copiesInSync, nil
}

// reassignment is the file that kafka-reassign-partitions wants: every partition stays where
// it is, and gets copies on other brokers.
func (k *cluster) reassignment(t topic, partitions []*sarama.PartitionMetadata) string {
	type move struct {
		Topic     string  `json:"topic"`
		Partition int32   `json:"partition"`
		Replicas  []int32 `json:"replicas"`
	}
	plan := struct {
		Version    int    `json:"version"`
		Partitions []move `json:"partitions"`
	}{Version: 1}
	for _, p := range partitions {
		replicas := slices.Clone(p.Replicas)
		for _, b := range k.brokers {
			if len(replicas) < copies && !slices.Contains(replicas, b) {
				replicas = append(replicas, b)
			}
		}
		plan.Partitions = append(plan.Partitions, move{t.name, p.ID, replicas})
	}
	text, err := json.Marshal(plan)
	if err != nil {
		panic(err) // numbers and names
	}
	return string(text)
}

// warn says what the loss of a machine means here.
func (k *cluster) warn(ctx context.Context, log *slog.Logger, weak []string) {
	if log == nil || len(weak) == 0 {
		return
	}
	log.WarnContext(ctx, "topics have too few copies: a power loss or a broken disk of one broker can lose acknowledged facts; "+
		"have three brokers, and give each topic three copies and min.insync.replicas=2",
		slog.Any("topics", weak), slog.Int("brokers", len(k.brokers)))
}
