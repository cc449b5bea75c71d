// Command gcs_emulator is a Cloud Storage for tests on one machine: fake-gcs-server, which keeps the objects, behind
// rules of Cloud Storage that it lacks. Each rule has a file: resumable sessions, preconditions, versions, retention,
// notifications; faults makes it fail on request. Everything is in memory.
//
// Missing, as in fake-gcs-server: IAM, checks of signatures, lifecycle rules, soft deletion, XML multipart uploads, the
// Python client's batches. A version that is no longer current shows the metadata it had when it was written. What was
// deleted for ever leaves the memory with its bucket.
package main

import (
	"flag"
	"log"
	"net/http"
	"os"
	"time"

	"github.com/fsouza/fake-gcs-server/fakestorage"
)

func main() {
	address := flag.String("addr", "127.0.0.1:4443", "host and port to listen on")
	flag.Parse()
	server, err := fakestorage.NewServerWithOptions(fakestorage.Options{
		NoListener:      true,
		PublicHost:      *address,
		ExternalURL:     "http://" + *address,
		BucketsLocation: "EUROPE-NORTH1",
	})
	if err != nil {
		log.Fatal(err)
	}
	listening := &http.Server{
		Addr:              *address,
		Handler:           newEmulator(server.HTTPHandler(), *address, newPublisher(os.Getenv("PUBSUB_EMULATOR_HOST"))),
		ReadHeaderTimeout: time.Minute,
	}
	log.Fatal(listening.ListenAndServe())
}
