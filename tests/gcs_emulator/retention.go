package main

import (
	"fmt"
	"net/http"
	"strconv"
	"time"
)

// retentionPeriod is a bucket's policy in seconds; 0: it has none. The API writes numbers of 64 bits as strings; its
// clients send either.
func retentionPeriod(bucket resource) int64 {
	policy, _ := bucket["retentionPolicy"].(resource)
	switch period := policy["retentionPeriod"].(type) {
	case string:
		seconds, _ := strconv.ParseInt(period, 10, 64)
		return seconds
	case float64:
		return int64(period)
	}
	return 0
}

func retentionLocked(bucket resource) bool {
	policy, _ := bucket["retentionPolicy"].(resource)
	locked, _ := policy["isLocked"].(bool)
	return locked
}

// retainedUntil is when the bucket's policy lets a version go; "": it has none.
func (e *emulator) retainedUntil(object resource) string {
	var seconds int64
	e.state.with(text(object, "bucket"), func(known *bucketState) { seconds = retentionPeriod(known.fields) })
	created, err := time.Parse(time.RFC3339, text(object, "timeCreated"))
	if seconds == 0 || err != nil {
		return ""
	}
	return created.Add(time.Duration(seconds) * time.Second).UTC().Format(time.RFC3339Nano)
}

// refuseEnd is the answer where a version must not be ended now; nil where it may, and where there is none. keep: it
// stays as one that is not current, which holds forbid and retention does not.
func (e *emulator) refuseEnd(object resource, keep bool) *answer {
	if object == nil {
		return nil
	}
	name := fmt.Sprintf("Object '%s/%s'", text(object, "bucket"), text(object, "name"))
	for field, said := range map[string]string{"temporaryHold": "Temporary", "eventBasedHold": "Event-Based"} {
		if held, _ := object[field].(bool); held {
			return errorAnswer(http.StatusForbidden, "objectUnderActiveHold", name+" is under active "+said+
				" hold and cannot be deleted, overwritten or archived until hold is removed.")
		}
	}
	own, _ := object["retention"].(resource)
	for _, until := range []string{text(object, "retentionExpirationTime"), text(own, "retainUntilTime")} {
		end, err := time.Parse(time.RFC3339, until)
		if !keep && err == nil && time.Now().Before(end) {
			return errorAnswer(http.StatusForbidden, "retentionPolicyNotMet", name+" is subject to bucket's "+
				"retention policy or object retention and cannot be deleted or overwritten until "+until)
		}
	}
	return nil
}

// lockRetention makes a bucket's policy one that can only be prolonged.
func (e *emulator) lockRetention(r *http.Request, to target) *answer {
	bucket := e.completeBucket(e.inner.bucket(to.bucket))
	if bucket == nil {
		return notFound(to.bucket)
	}
	if refused := conditionsOf(r.URL.Query()).refusal(bucket, false); refused != nil {
		return refused
	}
	policy, _ := bucket["retentionPolicy"].(resource)
	if policy == nil {
		return invalid("The bucket has no retention policy.")
	}
	e.state.with(to.bucket, func(known *bucketState) {
		known.fields["retentionPolicy"] = merged(policy, resource{"isLocked": true})
		known.metageneration++
	})
	return jsonAnswer(http.StatusOK, e.completeBucket(e.inner.bucket(to.bucket)))
}

// refuseShorter is the answer to a change that a locked policy forbids.
func refuseShorter(bucket, changes resource) *answer {
	if _, given := changes["retentionPolicy"]; !given || !retentionLocked(bucket) {
		return nil
	}
	if retentionPeriod(changes) < retentionPeriod(bucket) {
		return errorAnswer(http.StatusForbidden, "forbidden", fmt.Sprintf(
			"Cannot reduce retention duration of a locked Retention Policy for bucket '%s'.", text(bucket, "name")))
	}
	changes["retentionPolicy"].(resource)["isLocked"] = true
	return nil
}

// holdsIn are the holds that a request sets or (null, false) takes away.
func holdsIn(given resource) resource {
	held := resource{}
	for _, name := range []string{"temporaryHold", "eventBasedHold"} {
		if value, is := given[name]; is {
			held[name] = value
		}
	}
	return held
}
