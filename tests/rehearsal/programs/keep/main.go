// keep writes what it is told into the folder that it is given, and says over HTTP what lies there: a rehearsal deploys
// it with a volume to see whether what a pod wrote is there for the next one.
package main

import (
	"fmt"
	"io"
	"net/http"
	"os"
	"path/filepath"
)

func main() {
	if len(os.Args) > 1 && os.Args[1] == "-v" {
		fmt.Println("keep 1")
		return
	}
	http.HandleFunc("/{name}", func(answer http.ResponseWriter, asked *http.Request) {
		file := filepath.Join(os.Args[1], asked.PathValue("name"))
		if err := carryOut(file, answer, asked); err != nil {
			http.Error(answer, err.Error(), http.StatusInternalServerError)
		}
	})
	panic(http.ListenAndServe(":8080", nil))
}

func carryOut(file string, answer io.Writer, asked *http.Request) error {
	if asked.Method == http.MethodPut {
		return write(file, asked.Body)
	}
	read, err := os.Open(file)
	if err != nil {
		return err
	}
	defer read.Close()
	_, err = io.Copy(answer, read)
	return err
}

// write returns when the disk has it.
func write(file string, from io.Reader) error {
	made, err := os.Create(file)
	if err != nil {
		return err
	}
	defer made.Close()
	if _, err := io.Copy(made, from); err != nil {
		return err
	}
	return made.Sync()
}
