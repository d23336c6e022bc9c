module kubecfn/keep

go 1.24
