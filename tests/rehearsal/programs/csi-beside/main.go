// csi-beside stands for two programs that lie beside a CSI driver and that not every module proxy has:
// kubernetes-csi/node-driver-registrar, which tells the kubelet of the driver, and kubernetes-csi/livenessprobe,
// which asks the driver whether it is well. Which of them it is says the name it is called by; it takes the flags
// that kubecfn's manifests give, and no other.
package main

import (
	"context"
	"errors"
	"flag"
	"fmt"
	"log"
	"net"
	"net/http"
	"os"
	"path/filepath"
	"time"

	"github.com/container-storage-interface/spec/lib/go/csi"
	"google.golang.org/grpc"
	"google.golang.org/grpc/credentials/insecure"
	registration "k8s.io/kubelet/pkg/apis/pluginregistration/v1"
)

const (
	registrar = "csi-node-driver-registrar"
	liveness  = "livenessprobe"
	// Where kubelets look for plugins, as the registrar's manifests mount it.
	sockets = "/registration"
)

func main() {
	name := filepath.Base(os.Args[0])
	flags := flag.NewFlagSet(name, flag.ExitOnError)
	address := flags.String("csi-address", "", "the driver's socket")
	web := flags.String("http-endpoint", "", "where /healthz is answered")
	flags.String("v", "2", "is taken and means nothing: what it says is little")
	version := flags.Bool("version", false, "say which program this is, and end")
	path, patience := new(string), new(time.Duration)
	if name == registrar {
		path = flags.String("kubelet-registration-path", "", "the driver's socket as the kubelet sees it")
	} else {
		patience = flags.Duration("probe-timeout", time.Second, "how long the driver may take to answer")
	}
	// It ends the program for a flag that is none.
	_ = flags.Parse(os.Args[1:])
	if *version {
		fmt.Println("csi-beside 1, which stands for", registrar, "and", liveness)
		return
	}
	if *address == "" || *web == "" || flags.NArg() > 0 {
		log.Fatalf("%s is told %q: --csi-address and --http-endpoint are missing, or something is too much", name, os.Args[1:])
	}
	driver := csi.NewIdentityClient(dialled(*address))
	switch name {
	case registrar:
		register(driver, *path, *web)
	case liveness:
		watch(driver, *web, *patience)
	default:
		log.Fatalf("this program is called %s or %s, and not %s", registrar, liveness, name)
	}
}

func dialled(address string) *grpc.ClientConn {
	connection, err := grpc.NewClient("unix://"+address, grpc.WithTransportCredentials(insecure.NewCredentials()))
	if err != nil {
		log.Fatalf("the driver's socket %s: %v", address, err)
	}
	return connection
}

// register serves the kubelet's questions until the kubelet refuses the driver.
func register(driver csi.IdentityClient, path string, web string) {
	name := named(driver)
	socket := filepath.Join(sockets, name+"-reg.sock")
	if err := os.Remove(socket); err != nil && !errors.Is(err, os.ErrNotExist) {
		log.Fatal(err)
	}
	listener, err := net.Listen("unix", socket)
	if err != nil {
		log.Fatal(err)
	}
	server := grpc.NewServer()
	registration.RegisterRegistrationServer(server, &registered{name: name, path: path})
	http.HandleFunc("/healthz", func(answer http.ResponseWriter, _ *http.Request) {
		_, err := os.Stat(socket)
		say(answer, err)
	})
	go func() { log.Fatal(http.ListenAndServe(web, nil)) }()
	log.Printf("%s waits for the kubelet at %s", name, socket)
	log.Fatal(server.Serve(listener))
}

// named asks the driver for its name for as long as it does not answer.
func named(driver csi.IdentityClient) string {
	for {
		told, err := driver.GetPluginInfo(context.Background(), &csi.GetPluginInfoRequest{}, grpc.WaitForReady(true))
		if err == nil {
			return told.GetName()
		}
		log.Print(err)
		time.Sleep(time.Second)
	}
}

type registered struct {
	registration.UnsafeRegistrationServer
	name, path string
}

func (one *registered) GetInfo(context.Context, *registration.InfoRequest) (*registration.PluginInfo, error) {
	return &registration.PluginInfo{
		Type:              registration.CSIPlugin,
		Name:              one.name,
		Endpoint:          one.path,
		SupportedVersions: []string{"1.0.0"},
	}, nil
}

func (one *registered) NotifyRegistrationStatus(
	_ context.Context, status *registration.RegistrationStatus,
) (*registration.RegistrationStatusResponse, error) {
	if !status.PluginRegistered {
		log.Fatalf("the kubelet does not take %s: %s", one.name, status.Error)
	}
	// As the program it stands for does: beside the path that the kubelet sees lies a file of its own.
	if err := os.WriteFile(filepath.Join(filepath.Dir(one.path), "registration"), nil, 0o600); err != nil {
		log.Fatal(err)
	}
	log.Printf("the kubelet takes %s", one.name)
	return &registration.RegistrationStatusResponse{}, nil
}

// watch answers whether the driver says that it is ready.
func watch(driver csi.IdentityClient, web string, patience time.Duration) {
	http.HandleFunc("/healthz", func(answer http.ResponseWriter, asked *http.Request) {
		limited, end := context.WithTimeout(asked.Context(), patience)
		defer end()
		told, err := driver.Probe(limited, &csi.ProbeRequest{})
		if err == nil && told.GetReady() != nil && !told.GetReady().GetValue() {
			err = errors.New("the driver is not ready")
		}
		say(answer, err)
	})
	log.Fatal(http.ListenAndServe(web, nil))
}

func say(answer http.ResponseWriter, err error) {
	if err != nil {
		http.Error(answer, err.Error(), http.StatusInternalServerError)
		return
	}
	fmt.Fprintln(answer, "ok")
}
