"""Google Cloud behind the ports: Cloud Storage, Firestore, Pub/Sub (docs/adr/0010)."""
