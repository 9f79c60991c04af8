package opa

import (
	"errors"
	"fmt"

	"github.com/open-policy-agent/opa/v1/ast"
)

// personalOf reads custom.personal of a rule's METADATA: which attributes of its input say something about one person,
// rather than about a role, a class of things or a moment. The record seals them. They are sorted, and properties of
// the input's schema: a misspelt one would be written in clear.
func personalOf(metadata *ast.Annotations) ([]string, error) {
	listed, there := metadata.Custom["personal"]
	if !there {
		return nil, nil
	}
	names, ok := listed.([]any)
	if !ok || len(names) == 0 {
		return nil, errors.New("its METADATA has personal attributes that are no list")
	}
	properties := propertiesOf(metadata)
	personal := make([]string, 0, len(names))
	for i, one := range names {
		name, _ := one.(string)
		if _, known := properties[name]; !known {
			return nil, fmt.Errorf("its METADATA names the personal attribute %q, which the schema of its input does not know", fmt.Sprint(one))
		}
		if i > 0 && personal[i-1] >= name {
			return nil, errors.New("its METADATA names personal attributes that are not sorted")
		}
		personal = append(personal, name)
	}
	return personal, nil
}

// propertiesOf returns the properties of the input's schema.
func propertiesOf(metadata *ast.Annotations) map[string]any {
	if len(metadata.Schemas) == 0 || metadata.Schemas[0].Definition == nil {
		return nil
	}
	return entries(entries(*metadata.Schemas[0].Definition)["properties"])
}
