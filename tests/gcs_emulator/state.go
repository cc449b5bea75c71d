package main

import (
	"strconv"
	"sync"
)

// state is what fake-gcs-server does not keep.
type state struct {
	mutex    sync.Mutex
	buckets  map[string]*bucketState
	versions map[versionKey]versionState
	nextID   int
}

// bucketState belongs to one bucket. While writes is held, no object of the bucket changes, so that a precondition
// and the write that it guards are one step; it is taken before the state's mutex.
type bucketState struct {
	writes         sync.Mutex
	fields         resource
	metageneration int
	configs        []resource
}

type versionKey struct {
	bucket, object, generation string
}

// versionState belongs to one version of an object. erased: it was deleted for ever; fake-gcs-server still has it
// among the versions that are not current.
type versionState struct {
	metageneration int
	held           resource // temporaryHold, eventBasedHold
	erased         bool
}

func newState() *state {
	return &state{buckets: map[string]*bucketState{}, versions: map[versionKey]versionState{}}
}

// bucket gives the state of a bucket, which needs not exist.
func (s *state) bucket(name string) *bucketState {
	s.mutex.Lock()
	defer s.mutex.Unlock()
	if s.buckets[name] == nil {
		s.buckets[name] = &bucketState{fields: resource{}, metageneration: 1}
	}
	return s.buckets[name]
}

// with gives f a bucket's state, which nobody else changes meanwhile.
func (s *state) with(name string, f func(*bucketState)) {
	bucket := s.bucket(name)
	s.mutex.Lock()
	defer s.mutex.Unlock()
	f(bucket)
}

func (s *state) version(key versionKey) versionState {
	s.mutex.Lock()
	defer s.mutex.Unlock()
	known, found := s.versions[key]
	if !found {
		known.metageneration = 1
	}
	return known
}

func (s *state) setVersion(key versionKey, known versionState) {
	s.mutex.Lock()
	defer s.mutex.Unlock()
	s.versions[key] = known
}

func (s *state) newID() string {
	s.mutex.Lock()
	defer s.mutex.Unlock()
	s.nextID++
	return strconv.Itoa(s.nextID)
}

// forgetBucket is for a bucket that was deleted. Its lock stays: a writer may hold it.
func (s *state) forgetBucket(name string) {
	s.with(name, func(bucket *bucketState) {
		bucket.fields, bucket.metageneration, bucket.configs = resource{}, 1, nil
		for key := range s.versions {
			if key.bucket == name {
				delete(s.versions, key)
			}
		}
	})
}

func keyOf(object resource) versionKey {
	return versionKey{text(object, "bucket"), text(object, "name"), text(object, "generation")}
}
