package main

import (
	"bytes"
	"io"
	"net/http"
	"net/http/httptest"
	"net/url"
)

// inner is fake-gcs-server, asked in this process.
type inner struct {
	handler http.Handler
	host    string
}

// forward hands a request on, with the given body in place of its own.
func (i inner) forward(r *http.Request, body []byte) *answer {
	handed := r.Clone(r.Context())
	handed.Body, handed.ContentLength = io.NopCloser(bytes.NewReader(body)), int64(len(body))
	if len(body) == 0 {
		handed.Body = http.NoBody
	}
	recorder := httptest.NewRecorder()
	i.handler.ServeHTTP(recorder, handed)
	return &answer{recorder.Code, recorder.Header(), recorder.Body.Bytes()}
}

// ask makes a request of our own.
func (i inner) ask(method, path string, query url.Values, body []byte) *answer {
	asked, err := http.NewRequest(method, "http://"+i.host+path+"?"+query.Encode(), http.NoBody)
	if err != nil {
		panic(err)
	}
	if body != nil {
		asked.Header.Set("Content-Type", "application/json")
	}
	return i.forward(asked, body)
}

func bucketPath(bucket string) string {
	return "/storage/v1/b/" + url.PathEscape(bucket)
}

func objectPath(bucket, object string) string {
	return bucketPath(bucket) + "/o/" + url.PathEscape(object)
}

func (i inner) bucket(bucket string) resource {
	return i.ask(http.MethodGet, bucketPath(bucket), nil, nil).resource()
}
