package main

import (
	"bytes"
	"encoding/json"
	"io"
	"log"
	"net/http"
	"time"
)

// How many requests there are at once, how long one may take, how long the pauses between attempts grow, and when an event is given up. Cloud
// Storage goes on for a week.
const (
	atOnce         = 8
	publishTimeout = 10 * time.Second
	firstPause     = 100 * time.Millisecond
	longestPause   = 5 * time.Second
	givenUpAfter   = 15 * time.Minute
)

// publisher sends messages to a Pub/Sub emulator, at least once each.
type publisher struct {
	host   string
	client *http.Client
	turns  chan struct{}
}

// newPublisher makes one for the emulator at a host and port; "": there is none, and nothing may be published.
func newPublisher(host string) *publisher {
	transport := &http.Transport{MaxIdleConnsPerHost: atOnce, IdleConnTimeout: time.Minute}
	client := &http.Client{Transport: transport, Timeout: publishTimeout}
	return &publisher{host, client, make(chan struct{}, atOnce)}
}

// publish sends a message to a topic (projects/P/topics/T) and tries again until the topic has it or does not exist.
func (p *publisher) publish(topic string, data []byte, attributes map[string]string) {
	body, err := json.Marshal(resource{"messages": []resource{{"data": data, "attributes": attributes}}})
	if err != nil {
		panic(err)
	}
	pause := firstPause
	for deadline := time.Now().Add(givenUpAfter); time.Now().Before(deadline); pause = min(2*pause, longestPause) {
		status, err := p.try(topic, body)
		switch {
		case err == nil && status == http.StatusOK:
			return
		case err == nil && status == http.StatusNotFound:
			log.Printf("%s of %s is dropped: there is no topic %s", attributes["eventType"], attributes["objectId"], topic)
			return
		}
		time.Sleep(pause)
	}
	log.Printf("%s of %s is given up: %s does not take it", attributes["eventType"], attributes["objectId"], topic)
}

func (p *publisher) try(topic string, body []byte) (int, error) {
	p.turns <- struct{}{}
	defer func() { <-p.turns }()
	answered, err := p.client.Post("http://"+p.host+"/v1/"+topic+":publish", "application/json", bytes.NewReader(body))
	if err != nil {
		return 0, err
	}
	defer answered.Body.Close()
	_, err = io.Copy(io.Discard, answered.Body)
	return answered.StatusCode, err
}
