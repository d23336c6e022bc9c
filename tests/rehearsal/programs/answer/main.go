// answer says over HTTP which pod it is: what a rehearsal deploys to see whether services lead somewhere.
package main

import (
	"fmt"
	"net/http"
	"os"
)

func main() {
	if len(os.Args) > 1 && os.Args[1] == "-v" {
		fmt.Println("answer 1")
		return
	}
	name, err := os.Hostname()
	if err != nil {
		panic(err)
	}
	http.HandleFunc("/", func(answer http.ResponseWriter, _ *http.Request) { fmt.Fprintln(answer, name) })
	panic(http.ListenAndServe(":8080", nil))
}
