package main

import (
	"encoding/json"
	"fmt"
	"net/http"
	"net/http/httptest"
	"regexp"
	"strconv"
	"strings"
	"sync"
	"time"
)

// fault makes the next Count requests fail whose method and path (with the query, as sent) match. It answers Status
// after HangSeconds; without a Status, the request is only delayed. After: the request is done first, and its answer is
// lost. The zero Method matches all.
type fault struct {
	ID          string  `json:"id"`
	Method      string  `json:"method,omitempty"`
	Path        string  `json:"path"`
	Status      int     `json:"status,omitempty"`
	HangSeconds float64 `json:"hang_seconds,omitempty"`
	After       bool    `json:"after,omitempty"`
	Count       int     `json:"count"`
	Hits        int     `json:"hits"`
	Left        int     `json:"left"`

	pattern *regexp.Regexp
}

// faults is what tests have asked for. Several may use one emulator at once: a path should name the test's bucket.
type faults struct {
	mutex  sync.Mutex
	all    []*fault
	nextID int
}

func newFaults() *faults {
	return &faults{}
}

// control is the interface for tests: POST /_faults makes one and answers it with its id, GET tells of all, GET and
// DELETE /_faults/ID of one, DELETE /_faults ends all.
func (f *faults) control(w http.ResponseWriter, r *http.Request) {
	f.mutex.Lock()
	defer f.mutex.Unlock()
	id := strings.TrimPrefix(strings.TrimPrefix(r.URL.Path, "/_faults"), "/")
	if r.Method == http.MethodPost && id == "" {
		f.add(r).write(w)
		return
	}
	named, others := []*fault{}, []*fault{}
	for _, known := range f.all {
		if id == "" || known.ID == id {
			named = append(named, known)
		} else {
			others = append(others, known)
		}
	}
	if id != "" && len(named) == 0 {
		notFound("fault " + id).write(w)
		return
	}
	var said any = resource{"faults": named}
	if id != "" {
		said = named[0]
	}
	switch r.Method {
	case http.MethodGet:
	case http.MethodDelete:
		f.all = others
	default:
		invalid("Use GET, POST or DELETE.").write(w)
		return
	}
	jsonAnswer(http.StatusOK, said).write(w)
}

func (f *faults) add(r *http.Request) *answer {
	made := &fault{Count: 1}
	decoder := json.NewDecoder(r.Body)
	decoder.DisallowUnknownFields()
	if err := decoder.Decode(made); err != nil {
		return invalid("The fault is not understood: " + err.Error())
	}
	var err error
	if made.pattern, err = regexp.Compile(made.Path); err != nil || made.Path == "" {
		return invalid(fmt.Sprintf("path is no regular expression: %q", made.Path))
	}
	if made.Count < 1 || made.HangSeconds < 0 || (made.Status == 0 && made.HangSeconds == 0) ||
		(made.Status != 0 && (made.Status < 400 || made.Status > 599)) {
		return invalid("A fault has a status (400 to 599) or hang_seconds, and a count of at least 1.")
	}
	f.nextID++
	made.ID, made.Left, made.Hits = strconv.Itoa(f.nextID), made.Count, 0
	f.all = append(f.all, made)
	return jsonAnswer(http.StatusOK, made)
}

// take finds the fault that a request meets, and counts it; nil: none.
func (f *faults) take(r *http.Request) *fault {
	f.mutex.Lock()
	defer f.mutex.Unlock()
	for _, known := range f.all {
		matches := known.Method == "" || known.Method == r.Method
		if matches && known.Left > 0 && known.pattern.MatchString(r.URL.RequestURI()) {
			known.Left--
			known.Hits++
			met := *known
			return &met
		}
	}
	return nil
}

// play answers a request as the fault wants it; serve answers it rightly.
func (f *fault) play(w http.ResponseWriter, r *http.Request, serve http.HandlerFunc) {
	if f.After {
		serve(httptest.NewRecorder(), r)
	}
	select {
	case <-time.After(time.Duration(f.HangSeconds * float64(time.Second))):
	case <-r.Context().Done():
		return
	}
	switch {
	case f.Status != 0:
		failed := errorAnswer(f.Status, faultReason(f.Status), "A test asked for this fault.")
		failed.write(w)
	case f.After:
		panic(http.ErrAbortHandler) // its answer is lost: the connection is closed
	default:
		serve(w, r)
	}
}

func faultReason(status int) string {
	switch status {
	case http.StatusUnauthorized:
		return "authError"
	case http.StatusForbidden:
		return "forbidden"
	case http.StatusTooManyRequests:
		return "rateLimitExceeded"
	case http.StatusPreconditionFailed:
		return "conditionNotMet"
	case http.StatusInternalServerError, http.StatusBadGateway, http.StatusServiceUnavailable, http.StatusGatewayTimeout:
		return "backendError"
	}
	return "invalid"
}
