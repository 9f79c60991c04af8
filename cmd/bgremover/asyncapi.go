package main

import (
	"bytes"
	"context"
	"fmt"
	"strconv"
	"strings"

	"go.yaml.in/yaml/v3"

	"github.com/bgremover/bgremover/adapters/kafka"
	"github.com/bgremover/bgremover/domain/event"
	"github.com/bgremover/bgremover/domain/image"
	"github.com/bgremover/bgremover/internal/ledger"
)

// asyncapiCmd is `bgremover asyncapi`.
type asyncapiCmd struct{}

func (asyncapiCmd) run(_ context.Context, std streams) error {
	document, err := asyncAPI(ledger.Facts())
	if err != nil {
		return err
	}
	_, err = std.out.Write(document)
	return err
}

const aboutTopics = `Everything that happens in bgremover is a fact, and every fact stands in the one partition of
the topic "record", in order, for ever. This document is made from the facts that the program
knows (bgremover asyncapi prints it), so it says what is there, not what was planned.

A reader of "record" accepts the fact whose header seq is one above the last, drops what it has
had, and skips what comes too early: the missing one follows, and then that one again.`

// asyncAPI describes all topics and facts, as https://www.asyncapi.com/docs/reference/specification/v3.0.0 says.
func asyncAPI(facts *event.Registry) ([]byte, error) {
	messages, schemas, err := factMessages(facts)
	if err != nil {
		return nil, err
	}
	document := object{
		{"asyncapi", "3.0.0"},
		{"info", object{
			{"title", "bgremover"},
			{"version", "1.0.0"},
			{"description", aboutTopics},
			{"license", object{{"name", "Apache-2.0"}}},
		}},
		{"defaultContentType", "application/json"},
		{"channels", channels(facts)},
		{"operations", operations()},
		{"components", object{{"messages", append(messages, signedMessages()...)}, {"schemas", append(sharedSchemas(), schemas...)}}},
	}
	var text bytes.Buffer
	text.WriteString("# Made by: bgremover asyncapi\n")
	enc := yaml.NewEncoder(&text)
	enc.SetIndent(2)
	if err := enc.Encode(document); err != nil {
		return nil, fmt.Errorf("write the document: %w", err)
	}
	return text.Bytes(), enc.Close()
}

// channel is what is said of a topic.
type channel struct {
	about    string
	messages []string
}

// channels describes the topics, with the settings that they are made with.
func channels(facts *event.Registry) object {
	said := map[string]channel{
		ledger.TopicRecord:      {"Every fact, in one order, for ever.", factNames(facts)},
		ledger.TopicWork:        {"Uploads, for whoever makes cutouts; the same bytes as in the record, at least once.", []string{string(image.Uploaded{}.EventName())}},
		kafka.TopicDead:         {"What stood in work.image and was no upload, for somebody to look at.", []string{"dead"}},
		ledger.TopicCheckpoints: {"The signed heads of the tree over the record, and each handing over of the key that signs them.", []string{"key", "checkpoint", "cosigned", "rotation"}},
	}
	var all object
	for _, t := range kafka.Topics() {
		c := said[t.Name]
		messages := object{}
		for _, name := range c.messages {
			messages = append(messages, member{name, reference("messages/" + name)})
		}
		all = append(all, member{t.Name, object{
			{"address", t.Name},
			{"description", c.about},
			{"messages", messages},
			{"bindings", object{{"kafka", object{
				{"partitions", t.Partitions}, {"topicConfiguration", topicSettings(t.Config)}, {"bindingVersion", "0.5.0"},
			}}}},
		}})
	}
	return all
}

// topicSettings are those that the Kafka binding knows.
func topicSettings(config map[string]string) object {
	settings := object{}
	if policy, set := config["cleanup.policy"]; set {
		settings = append(settings, member{"cleanup.policy", strings.Split(policy, ",")})
	}
	for _, name := range []string{"retention.ms", "retention.bytes", "max.message.bytes"} {
		if n, err := strconv.ParseInt(config[name], 10, 64); err == nil {
			settings = append(settings, member{name, n})
		}
	}
	return settings
}

func operations() object {
	operation := func(name, action, topic, summary string) member {
		return member{name, object{{"action", action}, {"channel", object{{"$ref", "#/channels/" + topic}}}, {"summary", summary}}}
	}
	return object{
		operation("publishFacts", "send", ledger.TopicRecord, "The sequencer publishes what it has numbered."),
		operation("readRecord", "receive", ledger.TopicRecord, "Projections, reactors and auditors read it from the beginning."),
		operation("handOutUploads", "send", ledger.TopicWork, "The sequencer hands out uploads after the record has them."),
		operation("makeCutouts", "receive", ledger.TopicWork, "Processors share the uploads as one consumer group."),
		operation("layAside", "send", kafka.TopicDead, "A processor lays aside what it cannot understand."),
		operation("signHeads", "send", ledger.TopicCheckpoints, "The service signs the tree over published facts, at most as often as it is set to."),
		operation("checkHeads", "receive", ledger.TopicCheckpoints, "Auditors compare them with the record."),
	}
}

func factNames(facts *event.Registry) []string {
	var names []string
	for _, name := range facts.Names() {
		names = append(names, string(name))
	}
	return names
}

// factMessages describes each fact: its envelope, and its own members as a schema of its name.
func factMessages(facts *event.Registry) (messages, schemas object, err error) {
	for _, name := range facts.Names() {
		kind, _ := facts.Kind(name)
		example, err := exampleOf(name)
		if err != nil {
			return nil, nil, err
		}
		about := object{{"name", string(name)}, {"title", strings.ReplaceAll(strings.NewReplacer(".v", ", version ", "_", " ").Replace(string(name)), ".", " ")}}
		if kind.Old() {
			about = append(about, member{"summary", "An old version: it stands in the record, is read as the next one, and is written no more."})
		}
		messages = append(messages, member{string(name), append(about, object{
			{"contentType", "application/cloudevents+json"},
			{"headers", reference("schemas/place")},
			{"payload", object{{"allOf", []any{
				reference("schemas/envelope"),
				object{{"type", "object"}, {"properties", object{
					{"type", object{{"type", "string"}, {"const", string(name)}}},
					{"data", object{{"type", "object"}, {"properties", object{{"fact", reference("schemas/" + string(name))}}}}},
				}}},
			}}}},
			{"examples", []any{object{{"name", "sample"}, {"headers", object{{"seq", "1"}}}, {"payload", example}}}},
		}...)})
		schemas = append(schemas, member{string(name), structSchema(kind.Type())})
	}
	return messages, schemas, nil
}

// exampleOf is the fact's sample, member by member.
func exampleOf(name event.Name) (*yaml.Node, error) {
	body, err := ledger.Sample(name)
	if err != nil {
		return nil, err
	}
	var node yaml.Node
	if err := yaml.Unmarshal(body, &node); err != nil { // JSON is YAML
		return nil, fmt.Errorf("the sample of %s: %w", name, err)
	}
	block(&node)
	return node.Content[0], nil
}

// block writes a node's mappings a member a line. Texts stay quoted, names do not.
func block(node *yaml.Node) {
	if node.Kind != yaml.ScalarNode {
		node.Style = 0
	}
	for i, inner := range node.Content {
		block(inner)
		if node.Kind == yaml.MappingNode && i%2 == 0 {
			inner.Style = 0
		}
	}
}

// signedMessages describes what stands beside the record, and what was laid aside.
func signedMessages() object {
	all := object{}
	for _, note := range notes {
		all = append(all, member{note.kind, object{
			{"name", note.kind},
			{"title", note.title},
			{"summary", note.text},
			{"contentType", "text/plain"},
			{"headers", closedObject(object{
				{"seq", pattern("^[1-9][0-9]*$", "Its place in the order of this topic.")},
				{"kind", object{{"type", "string"}, {"const", note.kind}}},
			}, "seq", "kind")},
			{"payload", object{{"type", "string"}}},
			{"examples", []any{object{{"name", "sample"}, {"headers", object{{"seq", "1"}, {"kind", note.kind}}}, {"payload", note.sample}}}},
		}})
	}
	return append(all, member{"dead", object{
		{"name", "dead"},
		{"title", "dead letter"},
		{"contentType", "application/octet-stream"},
		{"summary", "The bytes as they stood in work.image; the headers say why they were laid aside."},
		{"payload", object{{"type", "string"}, {"format", "binary"}}},
	}})
}

// notes are what stands in the topic of checkpoints.
var notes = []struct{ kind, title, text, sample string }{
	{
		"key", "the log's first key", "A verifier key (c2sp.org/signed-note): all others follow from it.",
		"log.example.org+42610d09+AbwaJPsXzUg+yeo0JcAEOZD0cer/elw/pMtNb8dRti39",
	},
	{
		"checkpoint", "a checkpoint", "Origin, size and root of the tree over published facts, signed by the log's Ed25519 key (c2sp.org/tlog-checkpoint).",
		"log.example.org\n1000\nPVylO6rIl1sOvvngMLXLK3DKK6Rl+8E3Iitqgrpv7d8=\n\n— log.example.org QmENCR4sQLDRKrZCGm1stIn4wwxsPwVCWtFYjyC7ygMmKn3hbbPWizOKwupBuODmdlVX28G7H4ldimqbYMAIVfYDhg4=\n",
	},
	{
		"cosigned", "a checkpoint that witnesses signed", "A checkpoint once more, with the cosignatures of witnesses below the log's own (c2sp.org/tlog-cosignature).",
		"log.example.org\n1000\nPVylO6rIl1sOvvngMLXLK3DKK6Rl+8E3Iitqgrpv7d8=\n\n— log.example.org QmENCR4sQLDRKrZCGm1stIn4wwxsPwVCWtFYjyC7ygMmKn3hbbPWizOKwupBuODmdlVX28G7H4ldimqbYMAIVfYDhg4=\n",
	},
	{
		"rotation", "a key that hands over", "The old key's signature over the origin, the new verifier key, and the size of the last checkpoint that the old key signed.",
		"log key rotation v1\nlog.example.org\nlog.example.org+45bc9303+AST2s5MJkceHBiV39k1Nte57g1H3EgbASwg9Vi63Xebl\n1000\n\n— log.example.org QmENCbFvTmxq0m2N1xkcrEX3ZkZx/r+5+YYCB2r7vY+U7bk+xhif3WCj6/dCnlgz4n6kIbZnOaHlrNmGMyUBUlIz5gI=\n",
	},
}
