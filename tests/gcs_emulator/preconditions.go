package main

import (
	"net/http"
	"net/url"
)

// conditions are the preconditions of a request on one object, by their names in a query
// (https://cloud.google.com/storage/docs/request-preconditions).
type conditions map[string]string

var conditionNames = []string{
	"ifGenerationMatch", "ifGenerationNotMatch", "ifMetagenerationMatch", "ifMetagenerationNotMatch",
}

func conditionsOf(query url.Values) conditions {
	found := conditions{}
	for _, name := range conditionNames {
		if query.Has(name) {
			found[name] = query.Get(name)
		}
	}
	return found
}

// sourceConditionsOf are those on the object that is copied (ifSourceGenerationMatch, ...).
func sourceConditionsOf(query url.Values) conditions {
	found := conditions{}
	for _, name := range conditionNames {
		if source := "ifSource" + name[len("if"):]; query.Has(source) {
			found[name] = query.Get(source)
		}
	}
	return found
}

// refusal is the answer where the conditions do not hold for the object (nil: there is none); nil where they do.
func (c conditions) refusal(object resource, reading bool) *answer {
	generation, metageneration := "0", "0"
	if object != nil {
		generation, metageneration = text(object, "generation"), text(object, "metageneration")
	}
	differs := func(name, found string) bool { wanted, given := c[name]; return given && wanted != found }
	equals := func(name, found string) bool { wanted, given := c[name]; return given && wanted == found }
	switch {
	case differs("ifGenerationMatch", generation), differs("ifMetagenerationMatch", metageneration):
		return preconditionFailed()
	case equals("ifGenerationNotMatch", generation), equals("ifMetagenerationNotMatch", metageneration):
		if reading && object != nil {
			return &answer{http.StatusNotModified, http.Header{}, nil}
		}
		return preconditionFailed()
	}
	return nil
}

func preconditionFailed() *answer {
	return errorAnswer(
		http.StatusPreconditionFailed,
		"conditionNotMet",
		"At least one of the pre-conditions you specified did not hold.",
	)
}
