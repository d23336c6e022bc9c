// pause holds a pod's namespaces, reaps whom the pod's processes leave behind, and goes when it is told to.
package main

import (
	"fmt"
	"os"
	"os/signal"
	"syscall"
)

func main() {
	if len(os.Args) > 1 && os.Args[1] == "-v" {
		fmt.Println("pause 1")
		return
	}
	told := make(chan os.Signal, 8)
	signal.Notify(told, syscall.SIGTERM, syscall.SIGINT, syscall.SIGCHLD)
	for one := range told {
		if one != syscall.SIGCHLD {
			return
		}
		for left := 1; left > 0; {
			left, _ = syscall.Wait4(-1, nil, syscall.WNOHANG, nil)
		}
	}
}
