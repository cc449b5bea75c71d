package main

import (
	"net/http"
	"net/url"
	"strings"
)

// kind is what a request is about.
type kind int

const (
	other kind = iota
	bucketInsert
	bucketItself
	retentionLock
	notificationConfigs
	objectList
	objectItself
	objectCopy // rewrite, copy and compose: a new object of old ones
	download
	upload
)

// target is what a request's path names. object is the one that is read or written; for copies, source is the
// object that is read. config is the id of a notification configuration.
type target struct {
	kind                 kind
	bucket, object       string
	sourceBucket, source string
	config               string
}

// parseTarget reads the paths of the JSON API and those of signed URLs (/bucket/object).
func parseTarget(r *http.Request) target {
	parts := strings.Split(strings.Trim(r.URL.EscapedPath(), "/"), "/")
	for i, part := range parts {
		if plain, err := url.PathUnescape(part); err == nil {
			parts[i] = plain
		}
	}
	switch {
	case hasPrefix(parts, "storage", "v1", "b"):
		return parseJSONPath(r, parts[3:])
	case hasPrefix(parts, "download", "storage", "v1", "b") && len(parts) >= 7:
		return target{kind: download, bucket: parts[4], object: strings.Join(parts[6:], "/")}
	case hasPrefix(parts, "upload", "storage", "v1", "b") && len(parts) >= 6:
		return target{kind: upload, bucket: parts[4], object: r.URL.Query().Get("name")}
	case parts[0] == "_internal" || parts[0] == "batch" || len(parts) < 2:
		return target{kind: other}
	}
	return parseXMLPath(r, parts)
}

func parseJSONPath(r *http.Request, parts []string) target {
	if len(parts) == 0 {
		if r.Method == http.MethodPost {
			return target{kind: bucketInsert}
		}
		return target{kind: other}
	}
	to := target{kind: other, bucket: parts[0]}
	switch {
	case len(parts) == 1:
		to.kind = bucketItself
	case parts[1] == "lockRetentionPolicy":
		to.kind = retentionLock
	case parts[1] == "notificationConfigs":
		to.kind, to.config = notificationConfigs, strings.Join(parts[2:], "")
	case parts[1] == "o" && len(parts) == 2:
		to.kind = objectList
	case parts[1] == "o" && len(parts) == 3:
		to.kind, to.object = objectItself, parts[2]
		if r.Method == http.MethodHead || r.URL.Query().Get("alt") == "media" {
			to.kind = download
		}
	case parts[1] == "o" && len(parts) == 4 && parts[3] == "compose":
		to.kind, to.object = objectCopy, parts[2]
	case parts[1] == "o" && len(parts) == 8 && (parts[3] == "rewriteTo" || parts[3] == "copyTo"):
		to = target{kind: objectCopy, sourceBucket: parts[0], source: parts[2], bucket: parts[5], object: parts[7]}
	}
	return to
}

func parseXMLPath(r *http.Request, parts []string) target {
	to := target{bucket: parts[0], object: strings.Join(parts[1:], "/")}
	switch r.Method {
	case http.MethodGet, http.MethodHead:
		to.kind = download
	case http.MethodDelete:
		to.kind = objectItself
	case http.MethodPut, http.MethodPost:
		to.kind = upload
	}
	return to
}

func hasPrefix(parts []string, prefix ...string) bool {
	return len(parts) >= len(prefix) && strings.Join(parts[:len(prefix)], "/") == strings.Join(prefix, "/")
}
