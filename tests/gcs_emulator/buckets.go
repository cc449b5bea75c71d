package main

import (
	"encoding/json"
	"net/http"
	"net/url"
	"strconv"
	"time"
)

// What fake-gcs-server keeps of a bucket; every other field is kept here.
var innerFields = map[string]bool{
	"kind": true, "id": true, "name": true, "versioning": true, "defaultEventBasedHold": true, "timeCreated": true,
	"updated": true, "location": true, "storageClass": true, "projectNumber": true, "metageneration": true,
	"etag": true, "locationType": true, "selfLink": true,
}

// answerBucket makes, shows, changes and removes buckets.
func (e *emulator) answerBucket(r *http.Request, to target, body []byte) *answer {
	switch r.Method {
	case http.MethodPost:
		return e.makeBucket(r, body)
	case http.MethodPatch, http.MethodPut:
		return e.changeBucket(r, to, body)
	case http.MethodDelete:
		return e.removeBucket(r, to)
	}
	got := e.inner.forward(r, nil)
	if bucket := e.completeBucket(got.resource()); bucket != nil {
		return got.with(bucket)
	}
	return got
}

func (e *emulator) makeBucket(r *http.Request, body []byte) *answer {
	made := e.inner.forward(r, body)
	bucket := made.resource()
	if bucket == nil {
		return made
	}
	var asked resource
	if err := json.Unmarshal(body, &asked); err != nil {
		return invalid("The bucket is no JSON object: " + err.Error())
	}
	e.state.forgetBucket(text(bucket, "name"))
	e.keepFields(text(bucket, "name"), asked)
	return made.with(e.completeBucket(bucket))
}

func (e *emulator) changeBucket(r *http.Request, to target, body []byte) *answer {
	bucket := e.completeBucket(e.inner.bucket(to.bucket))
	if bucket == nil {
		return notFound(to.bucket)
	}
	if refused := conditionsOf(r.URL.Query()).refusal(bucket, false); refused != nil {
		return refused
	}
	var changes resource
	if err := json.Unmarshal(body, &changes); err != nil {
		return invalid("The changes are no JSON object: " + err.Error())
	}
	if refused := refuseShorter(bucket, changes); refused != nil {
		return refused
	}
	// fake-gcs-server takes a field that is not given for false.
	inner := resource{"versioning": bucket["versioning"], "defaultEventBasedHold": bucket["defaultEventBasedHold"]}
	for name := range inner {
		if changed, given := changes[name]; given {
			inner[name] = changed
		}
	}
	handed, err := json.Marshal(inner)
	if err != nil {
		panic(err)
	}
	if done := e.inner.ask(http.MethodPatch, bucketPath(to.bucket), nil, handed); !done.ok() {
		return done
	}
	e.keepFields(to.bucket, changes)
	e.state.with(to.bucket, func(known *bucketState) { known.metageneration++ })
	return jsonAnswer(http.StatusOK, e.completeBucket(e.inner.bucket(to.bucket)))
}

func (e *emulator) removeBucket(r *http.Request, to target) *answer {
	held := e.inner.ask(http.MethodGet, bucketPath(to.bucket)+"/o", url.Values{"versions": {"true"}}, nil).resource()
	if len(e.completeAll(held["items"])) > 0 {
		return errorAnswer(http.StatusConflict, "conflict", "The bucket you tried to delete is not empty.")
	}
	done := e.inner.forward(r, nil)
	if done.ok() {
		e.state.forgetBucket(to.bucket)
		return &answer{http.StatusNoContent, http.Header{}, nil}
	}
	return done
}

func (e *emulator) keepFields(name string, given resource) {
	kept := resource{}
	for field, value := range given {
		if !innerFields[field] {
			kept[field] = value
		}
	}
	if policy, is := kept["retentionPolicy"].(resource); is {
		policy["effectiveTime"] = time.Now().UTC().Format(time.RFC3339)
	}
	e.state.with(name, func(known *bucketState) { known.fields = merged(known.fields, kept) })
}

func (e *emulator) completeBucket(bucket resource) resource {
	if bucket == nil {
		return nil
	}
	e.state.with(text(bucket, "name"), func(known *bucketState) {
		for field, value := range known.fields {
			bucket[field] = value
		}
		bucket["metageneration"] = strconv.Itoa(known.metageneration)
	})
	return bucket
}
