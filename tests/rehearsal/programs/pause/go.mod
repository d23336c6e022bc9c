module kubecfn/pause

go 1.24
