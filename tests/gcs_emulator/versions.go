package main

import (
	"encoding/base64"
	"net/http"
	"sort"
	"strconv"
	"strings"
)

// versioned says whether a bucket keeps the versions that are replaced or deleted.
func (e *emulator) versioned(bucket string) bool {
	versioning, _ := e.inner.bucket(bucket)["versioning"].(resource)
	enabled, _ := versioning["enabled"].(bool)
	return enabled
}

// delete ends the current version, or for ever the one that the request names by its generation.
func (e *emulator) delete(r *http.Request, to target) *answer {
	query := r.URL.Query()
	bucket := e.state.bucket(to.bucket)
	bucket.writes.Lock()
	defer bucket.writes.Unlock()
	current := e.object(to.bucket, to.object, "")
	object, keep := current, e.versioned(to.bucket)
	if generation := query.Get("generation"); generation != "" {
		object, keep = e.object(to.bucket, to.object, generation), false
	}
	if object == nil {
		return notFound(to.bucket + "/" + to.object)
	}
	if refused := conditionsOf(query).refusal(object, false); refused != nil {
		return refused
	}
	if refused := e.refuseEnd(object, keep); refused != nil {
		return refused
	}
	if same(object, current) {
		if done := e.inner.ask(http.MethodDelete, objectPath(to.bucket, to.object), nil, nil); !done.ok() {
			return done
		}
	}
	if keep {
		e.announce("OBJECT_ARCHIVE", object, nil)
	} else {
		e.announce("OBJECT_DELETE", object, nil)
		known := e.state.version(keyOf(object))
		known.erased = true
		e.state.setVersion(keyOf(object), known)
	}
	return &answer{http.StatusNoContent, http.Header{}, nil}
}

// list answers which objects there are. Pages of versions are made here: fake-gcs-server's go on by name only.
func (e *emulator) list(r *http.Request, to target) *answer {
	query := r.URL.Query()
	for _, name := range []string{"versions", "includeTrailingDelimiter"} {
		// Google's client for Python writes True.
		if query.Has(name) {
			query.Set(name, strings.ToLower(query.Get(name)))
		}
	}
	versions, after := query.Get("versions") == "true", query.Get("pageToken")
	limit, err := strconv.Atoi(query.Get("maxResults"))
	if query.Has("maxResults") && (err != nil || limit < 0) {
		return invalid("maxResults is no number: " + query.Get("maxResults"))
	}
	if versions {
		query.Del("pageToken")
		query.Del("maxResults")
	}
	r.URL.RawQuery = query.Encode()
	listed := e.inner.forward(r, nil)
	found := listed.resource()
	if found == nil {
		return listed
	}
	objects := e.completeAll(found["items"])
	if versions {
		objects = ordered(objects)
		objects, found["nextPageToken"] = page(objects, after, limit)
		if found["nextPageToken"] == "" {
			delete(found, "nextPageToken")
		}
	}
	found["items"] = objects
	return listed.with(found)
}

func (e *emulator) completeAll(items any) []resource {
	list, _ := items.([]any)
	objects := []resource{}
	for _, item := range list {
		if object, is := item.(resource); is {
			if object = e.complete(object); object != nil {
				objects = append(objects, object)
			}
		}
	}
	return objects
}

// ordered sorts versions by name and generation. fake-gcs-server lists a version twice after a change of its
// metadata: the newest state counts, which has no time of deletion or the latest one.
func ordered(objects []resource) []resource {
	sort.SliceStable(objects, func(i, j int) bool {
		if left, right := place(objects[i]), place(objects[j]); left != right {
			return left < right
		}
		left, right := text(objects[i], "timeDeleted"), text(objects[j], "timeDeleted")
		return right != "" && (left == "" || left > right)
	})
	kept := objects[:0]
	for _, object := range objects {
		if len(kept) == 0 || place(kept[len(kept)-1]) != place(object) {
			kept = append(kept, object)
		}
	}
	return kept
}

// place is where a version stands in the order of all; a name holds no NUL.
func place(object resource) string {
	generation := text(object, "generation")
	return text(object, "name") + "\x00" + strings.Repeat("0", max(0, 20-len(generation))) + generation
}

// page cuts out the versions after a page's token, at most `limit` (0: all), and gives the next page's token.
func page(objects []resource, token string, limit int) ([]resource, string) {
	after, _ := base64.URLEncoding.DecodeString(token)
	start := sort.Search(len(objects), func(i int) bool { return place(objects[i]) > string(after) })
	objects = objects[start:]
	if limit == 0 || len(objects) <= limit {
		return objects, ""
	}
	return objects[:limit], base64.URLEncoding.EncodeToString([]byte(place(objects[limit-1])))
}
