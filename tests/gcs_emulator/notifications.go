package main

import (
	"encoding/json"
	"net/http"
	"slices"
	"strings"
	"time"
)

// Pub/Sub topics are named with this before projects/P/topics/T; without it is understood, too.
const topicPrefix = "//pubsub.googleapis.com/"

// answerNotifications makes, shows and removes a bucket's notification configurations
// (https://cloud.google.com/storage/docs/json_api/v1/notifications).
func (e *emulator) answerNotifications(r *http.Request, to target, body []byte) *answer {
	if e.inner.bucket(to.bucket) == nil {
		return notFound(to.bucket)
	}
	var configs []resource
	e.state.with(to.bucket, func(known *bucketState) { configs = slices.Clone(known.configs) })
	here := slices.IndexFunc(configs, func(config resource) bool { return text(config, "id") == to.config })
	switch {
	case r.Method == http.MethodPost:
		return e.makeNotification(to, body)
	case to.config == "":
		return jsonAnswer(http.StatusOK, resource{"kind": "storage#notifications", "items": configs})
	case here < 0:
		return notFound(to.bucket + "/notificationConfigs/" + to.config)
	case r.Method == http.MethodDelete:
		e.state.with(to.bucket, func(known *bucketState) { known.configs = slices.Delete(configs, here, here+1) })
		return &answer{http.StatusNoContent, http.Header{}, nil}
	}
	return jsonAnswer(http.StatusOK, configs[here])
}

func (e *emulator) makeNotification(to target, body []byte) *answer {
	var config resource
	if err := json.Unmarshal(body, &config); err != nil {
		return invalid("The notification configuration is no JSON object: " + err.Error())
	}
	topic := strings.TrimPrefix(text(config, "topic"), topicPrefix)
	if parts := strings.Split(topic, "/"); len(parts) != 4 || parts[0] != "projects" || parts[2] != "topics" {
		return invalid("The topic is not projects/PROJECT/topics/TOPIC: " + text(config, "topic"))
	}
	if text(config, "payload_format") == "" {
		return invalid("payload_format is missing: JSON_API_V1 or NONE.")
	}
	if e.publisher.host == "" {
		return invalid("This emulator was started without PUBSUB_EMULATOR_HOST: there is no topic to notify.")
	}
	id := e.state.newID()
	config["kind"], config["id"], config["etag"], config["topic"] = "storage#notification", id, id, topicPrefix+topic
	config["selfLink"] = "http://" + e.inner.host + bucketPath(to.bucket) + "/notificationConfigs/" + id
	e.state.with(to.bucket, func(known *bucketState) { known.configs = append(slices.Clone(known.configs), config) })
	return jsonAnswer(http.StatusOK, config)
}

// announceNew tells of a new version, and of what became of the one before it.
func (e *emulator) announceNew(made, old resource, versioned bool) {
	if old == nil {
		e.announce("OBJECT_FINALIZE", made, nil)
		return
	}
	e.announce("OBJECT_FINALIZE", made, map[string]string{"overwroteGeneration": text(old, "generation")})
	ended := "OBJECT_DELETE"
	if versioned {
		ended = "OBJECT_ARCHIVE"
	}
	e.announce(ended, old, map[string]string{"overwrittenByGeneration": text(made, "generation")})
}

// announce publishes an event to the topics of the bucket's configurations that ask for it. As with Cloud Storage,
// events may arrive in any order (https://cloud.google.com/storage/docs/pubsub-notifications).
func (e *emulator) announce(event string, object resource, more map[string]string) {
	var configs []resource
	e.state.with(text(object, "bucket"), func(known *bucketState) { configs = known.configs })
	now := time.Now().UTC().Format("2006-01-02T15:04:05.000000Z")
	for _, config := range configs {
		if !wants(config, event, text(object, "name")) {
			continue
		}
		attributes := map[string]string{
			"notificationConfig": "projects/_/buckets/" + text(object, "bucket") + "/notificationConfigs/" + text(config, "id"),
			"eventType":          event,
			"eventTime":          now,
			"payloadFormat":      text(config, "payload_format"),
			"bucketId":           text(object, "bucket"),
			"objectId":           text(object, "name"),
			"objectGeneration":   text(object, "generation"),
		}
		custom, _ := config["custom_attributes"].(resource)
		for name := range custom {
			attributes[name] = text(custom, name)
		}
		for name, value := range more {
			attributes[name] = value
		}
		var data []byte
		if text(config, "payload_format") == "JSON_API_V1" {
			data = payload(object)
		}
		go e.publisher.publish(strings.TrimPrefix(text(config, "topic"), topicPrefix), data, attributes)
	}
}

func wants(config resource, event, name string) bool {
	events, _ := config["event_types"].([]any)
	return strings.HasPrefix(name, text(config, "object_name_prefix")) &&
		(len(events) == 0 || slices.Contains(events, any(event)))
}

// payload is the object as an event tells of it: without its access control.
func payload(object resource) []byte {
	data, err := json.Marshal(merged(object, resource{"acl": nil}))
	if err != nil {
		panic(err)
	}
	return data
}
