package published

import (
	"io/fs"
	"path"
	"regexp"
	"strings"
)

var (
	ruleBegins  = regexp.MustCompile(`(?m)^# METADATA\n`)
	ruleDefault = regexp.MustCompile(`(?m)^default ([a-z_]+) :=`)
	packageName = regexp.MustCompile(`(?m)^package ([a-z_.]+)$`)
)

// Rules returns the source of each rule of a policy bundle, by its name "retention.deadline":
// from its METADATA to the next. It is for reading; whoever decides asks the bundle.
func Rules(bundle fs.FS) (map[string]string, error) {
	rules := map[string]string{}
	err := fs.WalkDir(bundle, ".", func(name string, entry fs.DirEntry, err error) error {
		if err != nil || entry.IsDir() || path.Ext(name) != ".rego" {
			return err
		}
		content, err := fs.ReadFile(bundle, name)
		if err != nil {
			return err
		}
		of := packageName.FindSubmatch(content)
		if of == nil {
			return Mistake{File: name, Text: "has no package"}
		}
		for _, part := range ruleBegins.Split(string(content), -1) {
			if rule := ruleDefault.FindStringSubmatch(part); rule != nil {
				rules[string(of[1])+"."+rule[1]] = "# METADATA\n" + strings.TrimSpace(part) + "\n"
			}
		}
		return nil
	})
	return rules, err
}
