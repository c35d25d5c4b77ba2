// Command trivydb writes a vulnerability database as Trivy reads it: FILE from a JSON list on standard input, each
// entry of which has a path of buckets with a key at its end, and a value.
package main

import (
	"bytes"
	"encoding/json"
	"log"
	"os"

	bolt "go.etcd.io/bbolt"
)

type entry struct {
	Path  []string        `json:"path"`
	Value json.RawMessage `json:"value"`
}

func main() {
	var entries []entry
	if err := json.NewDecoder(os.Stdin).Decode(&entries); err != nil {
		log.Fatal(err)
	}
	db, err := bolt.Open(os.Args[1], 0o600, nil)
	if err != nil {
		log.Fatal(err)
	}
	if err := db.Update(func(tx *bolt.Tx) error { return write(tx, entries) }); err != nil {
		log.Fatal(err)
	}
	if err := db.Close(); err != nil {
		log.Fatal(err)
	}
}

func write(tx *bolt.Tx, entries []entry) error {
	for _, one := range entries {
		last := len(one.Path) - 1
		bucket, err := tx.CreateBucketIfNotExists([]byte(one.Path[0]))
		for _, name := range one.Path[1:last] {
			if err != nil {
				return err
			}
			bucket, err = bucket.CreateBucketIfNotExists([]byte(name))
		}
		if err != nil {
			return err
		}
		var value bytes.Buffer
		if err := json.Compact(&value, one.Value); err != nil {
			return err
		}
		if err := bucket.Put([]byte(one.Path[last]), value.Bytes()); err != nil {
			return err
		}
	}
	return nil
}
