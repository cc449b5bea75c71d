package main

import (
	"bytes"
	"encoding/json"
	"mime"
	"mime/multipart"
	"net/http"
	"net/url"
	"strconv"
)

// object finds a version of an object (generation "": the current one), complete with what only we know; nil where
// there is none.
func (e *emulator) object(bucket, name, generation string) resource {
	query := url.Values{"projection": {"full"}}
	if generation != "" {
		query.Set("generation", generation)
	}
	return e.complete(e.inner.ask(http.MethodGet, objectPath(bucket, name), query, nil).resource())
}

// complete adds to an object what fake-gcs-server does not know; nil where it was deleted for ever.
func (e *emulator) complete(object resource) resource {
	if object == nil {
		return nil
	}
	known := e.state.version(keyOf(object))
	if known.erased {
		return nil
	}
	for name, held := range known.held {
		object[name] = held
	}
	object["metageneration"] = strconv.Itoa(known.metageneration)
	if link, err := url.Parse(text(object, "mediaLink")); err == nil {
		query := link.Query()
		query.Set("generation", text(object, "generation"))
		link.RawQuery = query.Encode()
		object["mediaLink"] = link.String()
	}
	if until := e.retainedUntil(object); until != "" {
		object["retentionExpirationTime"] = until
	}
	return object
}

func (e *emulator) get(r *http.Request, to target) *answer {
	query := r.URL.Query()
	got := e.inner.forward(r, nil)
	object := e.complete(got.resource())
	if refused := conditionsOf(query).refusal(object, true); refused != nil {
		return refused
	}
	if object == nil && got.ok() {
		return notFound(to.bucket + "/" + to.object)
	}
	if object == nil {
		return got
	}
	return got.with(object)
}

// serveDownload streams an object's bytes: of the version that fulfils the conditions, also where another one becomes
// current meanwhile.
func (e *emulator) serveDownload(w http.ResponseWriter, r *http.Request, to target) {
	query := r.URL.Query()
	wanted := conditionsOf(query)
	if len(wanted) > 0 || query.Has("generation") {
		object := e.object(to.bucket, to.object, query.Get("generation"))
		if refused := wanted.refusal(object, true); refused != nil {
			refused.write(w)
			return
		}
		if object == nil {
			notFound(to.bucket + "/" + to.object).write(w)
			return
		}
		query.Set("generation", text(object, "generation"))
		r.URL.RawQuery = query.Encode()
	}
	e.inner.handler.ServeHTTP(w, r)
}

// upload stores an object that came in one request.
func (e *emulator) upload(r *http.Request, to target, body []byte) *answer {
	metadata := uploadMetadata(r, body)
	if to.object == "" {
		to.object = text(metadata, "name")
	}
	return e.store(to, conditionsOf(r.URL.Query()), holdsIn(metadata), func() *answer { return e.inner.forward(r, body) })
}

// uploadMetadata is the first part of a multipart upload.
func uploadMetadata(r *http.Request, body []byte) resource {
	metadata := resource{}
	if r.URL.Query().Get("uploadType") == "multipart" {
		if _, parameters, err := mime.ParseMediaType(r.Header.Get("Content-Type")); err == nil {
			part, err := multipart.NewReader(bytes.NewReader(body), parameters["boundary"]).NextPart()
			if err == nil {
				// What cannot be read is refused by fake-gcs-server.
				_ = json.NewDecoder(part).Decode(&metadata)
			}
		}
	}
	return metadata
}

// store makes a new version of an object by `write`, where that is allowed, and announces it.
func (e *emulator) store(to target, wanted conditions, held resource, write func() *answer) *answer {
	bucket := e.state.bucket(to.bucket)
	bucket.writes.Lock()
	defer bucket.writes.Unlock()
	old := e.object(to.bucket, to.object, "")
	if refused := wanted.refusal(old, false); refused != nil {
		return refused
	}
	versioned := e.versioned(to.bucket)
	if refused := e.refuseEnd(old, versioned); refused != nil {
		return refused
	}
	wrote := write()
	answered := wrote.resource()
	made := answered
	if rewritten, is := answered["resource"].(resource); is {
		made = rewritten
	}
	if made == nil {
		return wrote
	}
	if len(held) > 0 {
		e.state.setVersion(keyOf(made), versionState{metageneration: 1, held: held})
	}
	e.announceNew(e.complete(made), old, versioned)
	return wrote.with(answered)
}

// copy makes an object of others: rewrite, copy, compose.
func (e *emulator) copy(r *http.Request, to target, body []byte) *answer {
	query := r.URL.Query()
	if to.source != "" {
		source := e.object(to.sourceBucket, to.source, query.Get("sourceGeneration"))
		if refused := sourceConditionsOf(query).refusal(source, false); refused != nil {
			return refused
		}
		if source == nil {
			return notFound(to.sourceBucket + "/" + to.source)
		}
		query.Set("sourceGeneration", text(source, "generation"))
		r.URL.RawQuery = query.Encode()
	}
	return e.store(to, conditionsOf(query), nil, func() *answer { return e.inner.forward(r, body) })
}

// patch changes an object's metadata.
func (e *emulator) patch(r *http.Request, to target, body []byte) *answer {
	query := r.URL.Query()
	bucket := e.state.bucket(to.bucket)
	bucket.writes.Lock()
	defer bucket.writes.Unlock()
	object := e.object(to.bucket, to.object, query.Get("generation"))
	if object == nil {
		return notFound(to.bucket + "/" + to.object)
	}
	if refused := conditionsOf(query).refusal(object, false); refused != nil {
		return refused
	}
	changes := resource{}
	if err := json.Unmarshal(body, &changes); err != nil && len(body) > 0 {
		return invalid("The metadata is no JSON object: " + err.Error())
	}
	if len(holdsIn(changes)) != len(changes) { // fake-gcs-server knows no holds
		if !same(object, e.object(to.bucket, to.object, "")) {
			return invalid("This emulator changes nothing but the holds of a version that is not current.")
		}
		if done := e.inner.forward(r, body); !done.ok() {
			return done
		}
	}
	known := e.state.version(keyOf(object))
	known.metageneration++
	known.held = merged(known.held, holdsIn(changes))
	e.state.setVersion(keyOf(object), known)
	changed := e.object(to.bucket, to.object, text(object, "generation"))
	e.announce("OBJECT_METADATA_UPDATE", changed, nil)
	return jsonAnswer(http.StatusOK, changed)
}

func merged(into, changes resource) resource {
	made := resource{}
	for _, fields := range []resource{into, changes} {
		for name, value := range fields {
			made[name] = value
			if value == nil {
				delete(made, name)
			}
		}
	}
	return made
}

// same says whether two objects, or none, are one version.
func same(one, other resource) bool {
	return one != nil && other != nil && keyOf(one) == keyOf(other)
}
