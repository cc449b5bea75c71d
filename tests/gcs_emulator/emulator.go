package main

import (
	"io"
	"net/http"
	"strings"
)

// emulator answers all requests.
type emulator struct {
	inner     inner
	faults    *faults
	sessions  *sessions
	state     *state
	publisher *publisher
}

func newEmulator(handler http.Handler, address string, publisher *publisher) *emulator {
	return &emulator{
		inner:     inner{handler, address},
		faults:    newFaults(),
		sessions:  newSessions(),
		state:     newState(),
		publisher: publisher,
	}
}

// ServeHTTP answers a request, or lets it fail where a test asked for that.
func (e *emulator) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	if r.URL.Path == "/_faults" || strings.HasPrefix(r.URL.Path, "/_faults/") {
		e.faults.control(w, r)
		return
	}
	if fault := e.faults.take(r); fault != nil {
		fault.play(w, r, e.serve)
		return
	}
	e.serve(w, r)
}

func (e *emulator) serve(w http.ResponseWriter, r *http.Request) {
	to := parseTarget(r)
	if to.kind == download {
		e.serveDownload(w, r, to)
		return
	}
	if to.kind == upload && r.URL.Query().Get("upload_id") != "" {
		e.serveChunk(w, r)
		return
	}
	// Nothing is locked while a body arrives: a stalled request holds up nobody else.
	body, err := io.ReadAll(r.Body)
	if err != nil {
		panic(http.ErrAbortHandler) // the connection was cut: there is nobody to answer
	}
	e.answer(r, to, body).write(w)
}

func (e *emulator) answer(r *http.Request, to target, body []byte) *answer {
	switch {
	case to.kind == bucketInsert, to.kind == bucketItself:
		return e.answerBucket(r, to, body)
	case to.kind == retentionLock:
		return e.lockRetention(r, to)
	case to.kind == notificationConfigs:
		return e.answerNotifications(r, to, body)
	case to.kind == upload && r.URL.Query().Get("uploadType") == "resumable":
		return e.startSession(r, to, body)
	case to.kind == upload:
		return e.upload(r, to, body)
	case to.kind == objectList && r.Method == http.MethodGet:
		return e.list(r, to)
	case to.kind == objectCopy:
		return e.copy(r, to, body)
	case to.kind == objectItself && r.Method == http.MethodGet:
		return e.get(r, to)
	case to.kind == objectItself && r.Method == http.MethodDelete:
		return e.delete(r, to)
	case to.kind == objectItself:
		return e.patch(r, to, body)
	}
	return e.inner.forward(r, body)
}
