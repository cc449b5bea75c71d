package main

import (
	"crypto/md5"
	"encoding/base64"
	"encoding/binary"
	"encoding/json"
	"fmt"
	"hash/crc32"
	"io"
	"net/http"
	"net/url"
	"strconv"
	"strings"
	"sync"
)

// unit is what Cloud Storage keeps of an upload that is not at its end: multiples of this many bytes.
const unit = 256 * 1024

// sessions are the resumable uploads (https://cloud.google.com/storage/docs/performing-resumable-uploads). Their bytes
// are collected here and given to fake-gcs-server, whose own sessions take any bytes at any offset, in one piece.
type sessions struct {
	mutex sync.Mutex
	open  map[string]*session
}

// session is one upload. Its mutex is held while a request is answered, not while its body arrives.
type session struct {
	mutex       sync.Mutex
	to          target
	start       url.Values
	contentType string
	held        resource
	have        []byte
	finished    *answer
	ended       bool // it was cancelled or refused
}

func newSessions() *sessions {
	return &sessions{open: map[string]*session{}}
}

func (s *sessions) find(id string) *session {
	s.mutex.Lock()
	defer s.mutex.Unlock()
	return s.open[id]
}

func (s *sessions) set(id string, made *session) {
	s.mutex.Lock()
	defer s.mutex.Unlock()
	s.open[id] = made
}

func (s *sessions) remove(id string) {
	s.mutex.Lock()
	defer s.mutex.Unlock()
	delete(s.open, id)
}

// startSession opens a session. Its preconditions are checked when the last byte has arrived.
func (e *emulator) startSession(r *http.Request, to target, body []byte) *answer {
	started := e.inner.forward(r, body)
	location, err := url.Parse(started.header.Get("Location"))
	if err != nil || !started.ok() {
		return started
	}
	metadata := resource{}
	// fake-gcs-server has read it; what is no JSON has no holds.
	_ = json.Unmarshal(body, &metadata)
	to.object = location.Query().Get("name")
	contentType := r.Header.Get("X-Upload-Content-Type")
	if text(metadata, "contentType") != "" {
		contentType = text(metadata, "contentType")
	}
	e.sessions.set(location.Query().Get("upload_id"), &session{
		to: to, start: r.URL.Query(), contentType: contentType, held: holdsIn(metadata),
	})
	return started
}

// serveChunk answers the requests of an open session: bytes, questions for its state, its cancellation.
func (e *emulator) serveChunk(w http.ResponseWriter, r *http.Request) {
	id := r.URL.Query().Get("upload_id")
	found := e.sessions.find(id)
	body, cut := io.ReadAll(r.Body)
	if found == nil {
		notFound("upload " + id).write(w)
		return
	}
	found.mutex.Lock()
	defer found.mutex.Unlock()
	if found.ended {
		notFound("upload " + id).write(w)
		return
	}
	if r.Method == http.MethodDelete {
		found.ended = true
		e.sessions.remove(id)
		(&answer{499, http.Header{}, nil}).write(w)
		return
	}
	found.answer(e, r, body, cut != nil).write(w)
	if found.ended {
		e.sessions.remove(id)
	}
}

// answer takes the bytes of a request, all or (cut: the connection ended) those that arrived.
func (s *session) answer(e *emulator, r *http.Request, body []byte, cut bool) *answer {
	if s.finished != nil {
		return s.finished
	}
	have := int64(len(s.have))
	given, err := parseRange(r.Header.Get("Content-Range"), int64(len(body)))
	switch {
	case err != nil:
		return invalid(err.Error())
	case given.question && (given.total < 0 || have < given.total):
		return s.state()
	case given.question && have > given.total:
		return invalid(fmt.Sprintf("The session has %d bytes, more than the %d that you name.", have, given.total))
	case given.question:
		return s.finish(e, r)
	case given.first > have:
		return gap(given.first, have)
	case !cut && int64(len(body)) != given.last-given.first+1:
		return invalid(fmt.Sprintf("The Content-Range header names %d bytes; %d came.", given.last-given.first+1, len(body)))
	}
	last := given.last+1 == given.total
	if !last && !cut && len(body) < unit {
		return invalid(fmt.Sprintf("The number of bytes uploaded is required to be equal or greater than %d, except for "+
			"the final request. The received request contained %d bytes.", unit, len(body)))
	}
	if skip := have - given.first; skip < int64(len(body)) {
		s.have = append(s.have, body[skip:]...)
	}
	if last && !cut {
		return s.finish(e, r)
	}
	s.have = s.have[:max(int(have), len(s.have)/unit*unit)]
	return s.state()
}

// state says how many bytes are there: 308, without a Range where there are none.
func (s *session) state() *answer {
	header := http.Header{}
	if len(s.have) > 0 {
		header.Set("Range", fmt.Sprintf("bytes=0-%d", len(s.have)-1))
	}
	return &answer{http.StatusPermanentRedirect, header, nil}
}

// gap refuses bytes behind ones that are missing, as Cloud Storage does: 503, although no repetition helps, and as text.
func gap(first, have int64) *answer {
	said := fmt.Sprintf("Invalid request.  According to the Content-Range header, the upload offset is %d byte(s), which "+
		"exceeds already uploaded size of %d byte(s).", first, have)
	return &answer{http.StatusServiceUnavailable, http.Header{"Content-Type": {"text/plain; charset=utf-8"}}, []byte(said)}
}

// finish stores the object. A refusal ends the session; the answer of a success is kept and repeated.
func (s *session) finish(e *emulator, r *http.Request) *answer {
	content := s.have
	s.have = nil
	if refused := refuseChecksum(r.Header.Values("X-Goog-Hash"), content); refused != nil {
		s.ended = true
		return refused
	}
	whole := r.Clone(r.Context())
	whole.Header = http.Header{"Content-Type": {s.contentType}}
	done := e.store(s.to, conditionsOf(s.start), s.held, func() *answer { return e.inner.forward(whole, content) })
	if done.ok() {
		s.finished = done
	} else {
		s.ended = true
	}
	return done
}

// refuseChecksum compares the checksums that came with the last request (crc32c=..., md5=..., in base64).
func refuseChecksum(given []string, content []byte) *answer {
	sum := md5.Sum(content)
	found := map[string]string{
		"md5": base64.StdEncoding.EncodeToString(sum[:]),
		"crc32c": base64.StdEncoding.EncodeToString(
			binary.BigEndian.AppendUint32(nil, crc32.Checksum(content, crc32.MakeTable(crc32.Castagnoli)))),
	}
	for _, one := range strings.Split(strings.Join(given, ","), ",") {
		name, wanted, _ := strings.Cut(strings.TrimSpace(one), "=")
		if right, known := found[name]; known && right != wanted {
			return invalid(fmt.Sprintf("Provided %s hash %q doesn't match calculated hash %q.", name, wanted, right))
		}
	}
	return nil
}

// byteRange is a Content-Range header: the bytes first to last of total (-1: not known yet), or a question for the
// state of the session (which at the total ends the upload).
type byteRange struct {
	first, last, total int64
	question           bool
}

// parseRange reads `bytes 0-99/*`, `bytes 0-99/200`, `bytes */200`, `bytes */*`; without a header, the body is all.
func parseRange(header string, length int64) (byteRange, error) {
	if header == "" {
		return byteRange{first: 0, last: length - 1, total: length}, nil
	}
	wrong := fmt.Errorf("Content-Range is not understood: %q", header)
	span, total, found := strings.Cut(strings.TrimPrefix(header, "bytes "), "/")
	if !found || !strings.HasPrefix(header, "bytes ") {
		return byteRange{}, wrong
	}
	read := byteRange{total: -1, question: span == "*"}
	var err error
	if total != "*" {
		if read.total, err = strconv.ParseInt(total, 10, 64); err != nil || read.total < 0 {
			return byteRange{}, wrong
		}
	}
	if read.question {
		return read, nil
	}
	first, last, _ := strings.Cut(span, "-")
	if read.first, err = strconv.ParseInt(first, 10, 64); err != nil {
		return byteRange{}, wrong
	}
	if read.last, err = strconv.ParseInt(last, 10, 64); err != nil || read.last < read.first || read.first < 0 ||
		(read.total >= 0 && read.last >= read.total) {
		return byteRange{}, wrong
	}
	return read, nil
}
