package kafka

import "maps"

// TopicSettings say how a topic is made.
type TopicSettings struct {
	Name       string
	Partitions int
	Config     map[string]string
}

// Topics returns the settings of all topics that there are.
func Topics() []TopicSettings {
	all := make([]TopicSettings, len(topics))
	for i, t := range topics {
		all[i] = TopicSettings{Name: t.name, Partitions: int(t.partitions), Config: maps.Clone(t.config)}
	}
	return all
}
