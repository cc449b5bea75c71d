package main

import (
	"encoding/json"
	"net/http"
	"strconv"
)

// resource is a bucket, an object or another thing of the JSON API, as the API writes it.
type resource = map[string]any

// answer is a whole HTTP answer in memory.
type answer struct {
	status int
	header http.Header
	body   []byte
}

func (a *answer) ok() bool {
	return a.status >= 200 && a.status < 300
}

// write sends the answer.
func (a *answer) write(w http.ResponseWriter) {
	for name, values := range a.header {
		w.Header()[name] = values
	}
	w.Header().Set("Content-Length", strconv.Itoa(len(a.body)))
	w.WriteHeader(a.status)
	w.Write(a.body)
}

// resource is the JSON that the answer carries; nil where it is none or an error.
func (a *answer) resource() resource {
	var made resource
	if !a.ok() || json.Unmarshal(a.body, &made) != nil {
		return nil
	}
	return made
}

// with is the same answer with another JSON.
func (a *answer) with(made resource) *answer {
	replaced := jsonAnswer(a.status, made)
	header := a.header.Clone()
	header.Del("Content-Length")
	for name, values := range replaced.header {
		header[name] = values
	}
	return &answer{a.status, header, replaced.body}
}

func jsonAnswer(status int, made any) *answer {
	body, err := json.Marshal(made)
	if err != nil {
		panic(err)
	}
	return &answer{status, http.Header{"Content-Type": {"application/json; charset=UTF-8"}}, body}
}

// errorAnswer is an error in the JSON API's form (https://cloud.google.com/storage/docs/json_api/v1/status-codes).
func errorAnswer(status int, reason, message string) *answer {
	return jsonAnswer(status, resource{"error": resource{
		"code":    status,
		"message": message,
		"errors":  []resource{{"domain": "global", "reason": reason, "message": message}},
	}})
}

func notFound(what string) *answer {
	return errorAnswer(http.StatusNotFound, "notFound", "No such object: "+what)
}

func invalid(message string) *answer {
	return errorAnswer(http.StatusBadRequest, "invalid", message)
}

func text(made resource, name string) string {
	value, _ := made[name].(string)
	return value
}
