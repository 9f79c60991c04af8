// Package models carries the passports of the models that this project knows by
// name. A passport says where a model comes from, how to use it, and under which
// licences; the weights themselves are never part of this repository.
package models

import (
	"embed"
	"strings"
)

//go:embed *.json
var passports embed.FS

// Passport returns the JSON of the passport with that name, and whether there
// is one.
func Passport(name string) (json []byte, ok bool) {
	json, err := passports.ReadFile(name + ".json")
	return json, err == nil
}

// Names lists the models that there is a passport of.
func Names() (names []string) {
	files, err := passports.ReadDir(".")
	if err != nil {
		panic(err) // the folder is part of the program
	}
	for _, file := range files {
		names = append(names, strings.TrimSuffix(file.Name(), ".json"))
	}
	return names
}
